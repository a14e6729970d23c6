"""Recordings in, a store, its windows, and who may see them out."""
