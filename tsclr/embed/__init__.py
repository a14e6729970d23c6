"""A trained encoder in use: its checkpoint, its features, and vectors for your windows."""

from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.embedder import Embedder
from tsclr.embed.whitening import PairWhitening

load = Embedder.load

__all__ = ["Checkpoint", "Embedder", "PairWhitening", "load"]
