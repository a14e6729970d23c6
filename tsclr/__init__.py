"""Contrastive self-supervised learning on wearable time-series sensor data."""

__version__ = "0.1.0"
