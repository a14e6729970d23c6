"""Tools to look at views and runs, and to choose views without labels."""
