"""Methods: how features are learned from the unlabelled data of a fold, before a head is fitted."""

from tsclr.bench.methods.base import *
from tsclr.bench.methods.baselines import *
from tsclr.bench.methods.from_aeon import *
from tsclr.bench.methods.from_config import *
from tsclr.bench.methods.from_run import *
from tsclr.bench.methods.from_transformer import *
from tsclr.bench.methods.hand_features import *
from tsclr.bench.methods.pretrained import *
from tsclr.bench.methods.whar_arena import *
