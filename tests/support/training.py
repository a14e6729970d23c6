"""A pretraining that takes a second, for tests to run, interrupt and read."""

from functools import partial
from pathlib import Path
from typing import Any

from tsclr import objectives
from tsclr.augment import Jitter, Rotate
from tsclr.data.settings import Data
from tsclr.encoders import CNN1d
from tsclr.pairs import Neighbour
from tsclr.train.pretrain import pretrain
from tsclr.train.settings import Training


def tiny_pretrain(
    store: Path,
    out: Path,
    resume: bool = False,
    data: dict[str, Any] | None = None,
    objective: str = "NTXent",
    **training: Any,
) -> Path:
    """Pretrain a small network on `store`."""
    return pretrain(
        Data(str(store), **({"test": ["04"]} if data is None else data)),
        partial(CNN1d, width=8),
        getattr(objectives, objective)(hidden=16, width=8),
        [Rotate(spread=0.5), Jitter(sd=0.02)],
        Neighbour(2.56),
        Training(**({"epochs": 3, "batch_size": 32, "learning_rate": 5e-3} | training)),
        out,
        resume,
    )
