"""What is learned: an encoder and a batch of views in, terms of a loss out.

Every module says in its ``__all__`` what it adds, so that a new objective is one class in one file.
"""

from tsclr.objectives.base import Objective as Objective
from tsclr.objectives.contrastive import *
