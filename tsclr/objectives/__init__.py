"""What is learned: an encoder and two or more views of each window in, loss terms out."""

from tsclr.objectives.base import Objective, projector
from tsclr.objectives.contrastive import NTXent, nt_xent

__all__ = ["NTXent", "Objective", "nt_xent", "projector"]
