"""Objectives: an encoder and a batch of views in, the terms of a loss out.

Every module says in its ``__all__`` what it adds, so that a new objective is one class in one file.
For an objective of your own, subclass `Objective`; `represent`, `projector` and `gather` do what
most of them need.
"""

from tsclr.distributed import gather as gather
from tsclr.objectives.base import Objective as Objective
from tsclr.objectives.base import represent as represent
from tsclr.objectives.batch import Batch as Batch
from tsclr.objectives.blocks import projector as projector
from tsclr.objectives.clustering import *
from tsclr.objectives.context import *
from tsclr.objectives.contrastive import *
from tsclr.objectives.dense import *
from tsclr.objectives.distillation import *
from tsclr.objectives.frequency import *
from tsclr.objectives.hierarchical import *
from tsclr.objectives.local import *
from tsclr.objectives.masked import *
from tsclr.objectives.memory import *
from tsclr.objectives.momentum import *
from tsclr.objectives.multiview import *
from tsclr.objectives.neighbourhood import *
from tsclr.objectives.patch import *
from tsclr.objectives.predictive import *
from tsclr.objectives.redundancy import *
from tsclr.objectives.transforms import *
from tsclr.objectives.tstcc import *
from tsclr.objectives.weighted import *
