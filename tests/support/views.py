"""What the tests of views share: windows, seeds, and the draw for one window out of a batch."""

import copy
from typing import Any

import torch

from tsclr import specs
from tsclr.augment import Augmentation, Crop, FromTsaug, Jitter, Rotate, Scale, TimeWarp

CLASSES = specs.subclasses(Augmentation)
MANY = [Crop(p=0.5), TimeWarp(), Rotate(p=0.8), Scale(), Jitter(p=0.3)]
TSAUG = [{"name": "Drift", "prob": 0.8}, {"name": "AddNoise", "normalize": False}]
COMPOSED = [
    name for name, cls in CLASSES.items() if "augmentations" in cls.__init__.__annotations__
]


def default(cls: type[Augmentation], p: float = 0.5) -> Augmentation:
    """An object of `cls` with its default settings, changing half of the windows."""
    if cls is FromTsaug:
        return cls(TSAUG, p=p)
    return cls(copy.deepcopy(MANY)) if cls.__name__ in COMPOSED else cls(p=p)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def batch(B: int = 16, C: int = 6, T: int = 64, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Windows of white noise."""
    return torch.randn(B, C, T, generator=seeded(1), dtype=torch.float64).to(dtype)


def window_of(drawn: Any, i: int) -> Any:
    """What was drawn for window `i` alone."""
    if drawn is None:
        return None
    if isinstance(drawn, torch.Tensor):
        return drawn[i : i + 1]
    parts = [window_of(part, i) for part in drawn]
    return type(drawn)(*parts) if hasattr(drawn, "_fields") else type(drawn)(parts)


def tensors(drawn: Any) -> list[torch.Tensor]:
    """Every tensor in what was drawn."""
    if isinstance(drawn, torch.Tensor):
        return [drawn]
    return [] if drawn is None else [tensor for part in drawn for tensor in tensors(part)]
