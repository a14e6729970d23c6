"""A trained encoder in use: its checkpoint, its features, and vectors for your windows."""
