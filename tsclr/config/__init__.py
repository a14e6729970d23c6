"""Presets, YAML and command-line options in, objects of the package out."""
