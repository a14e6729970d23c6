"""A store in, a run folder out: pretraining and everything it is made of."""

from tsclr.train.monitor import CollapseError
from tsclr.train.pretrain import pretrain
from tsclr.train.settings import Training

__all__ = ["CollapseError", "Training", "pretrain"]
