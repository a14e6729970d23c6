"""Features and a few labels in, scores with their spread out."""
