"""A store in, a run folder out: pretraining and everything it is made of."""
