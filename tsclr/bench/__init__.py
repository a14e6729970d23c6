"""An encoder and a labelled dataset in, scores on the tasks of the benchmark suite out."""
