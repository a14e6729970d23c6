from . import augment, bench, datasets, encoders, objectives, pairs
from .bench import probe
from .config import pretrain
from .data import Data, Store, Windows, ingest
from .embed import Embedder, load
from .train import Training
from .types import Recording

__version__: str
__all__ = [
    "Data",
    "Embedder",
    "Recording",
    "Store",
    "Training",
    "Windows",
    "augment",
    "bench",
    "datasets",
    "encoders",
    "ingest",
    "load",
    "objectives",
    "pairs",
    "pretrain",
    "probe",
]
