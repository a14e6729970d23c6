"""Methods: what learns from the unlabelled side of a fold, before a head learns from labels."""

from tsclr.bench.methods.base import *
from tsclr.bench.methods.baselines import *
from tsclr.bench.methods.from_aeon import *
from tsclr.bench.methods.from_run import *
from tsclr.bench.methods.from_transformer import *
from tsclr.bench.methods.pretrained import *
