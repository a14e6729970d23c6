"""Methods: what learns from the unlabelled side of a fold, before a head learns from labels."""

from tsclr.bench.methods.base import FromConfig, Method
from tsclr.bench.methods.baselines import HandFeatures, RandomInit, Supervised
from tsclr.bench.methods.from_aeon import Catch22, MiniRocket
from tsclr.bench.methods.from_run import FromRun, RandomInitFromRun
from tsclr.bench.methods.from_transformer import FromTransformer
from tsclr.bench.methods.pretrained import Pretrained

__all__ = [
    "Catch22",
    "FromConfig",
    "FromRun",
    "FromTransformer",
    "HandFeatures",
    "Method",
    "MiniRocket",
    "Pretrained",
    "RandomInit",
    "RandomInitFromRun",
    "Supervised",
]
