"""The base class of the methods whose encoder a pretraining config describes.

It is not in `tsclr.bench.methods.base`, so that no other method depends on the code that trains.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tsclr.bench.access import FoldAccess
from tsclr.bench.cache import classes_named, source_digest
from tsclr.bench.methods.base import Method
from tsclr.config.pretraining import Pretraining, read_config
from tsclr.encoders import Encoder
from tsclr.train.setup import sensor_scale

__all__ = ["FromConfig"]


class FromConfig(Method):
    """Base of the methods whose encoder is that of a pretraining config.

    Parameters
    ----------
    config : str
        Preset, or YAML of ``tsclr pretrain``.
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.
    """

    trainable = True

    def __init__(self, config: str, heads: Sequence[str] | None = None) -> None:
        super().__init__(heads)
        self.config = config

    @property
    def changes(self) -> dict[str, Any]:
        """What the method replaces in the config; the data always come from the fold."""
        return {"data": {"source": ""}}

    @property
    def settings(self) -> Pretraining:
        """The objects that the config describes."""
        return read_config(self.config, self.changes)

    @property
    def contents(self) -> dict[str, Any]:
        """The config as plain data, with every default."""
        return self.settings.contents()

    def key(self) -> dict[str, Any]:
        """The source of every class of the config counts, since reading it makes them all."""
        return super().key() | {"classes": source_digest(*classes_named(self.contents))}

    def check(self) -> None:
        """Raise unless the config can be read."""
        super().check()
        _ = self.settings


def random_weights(build: Callable[[], Encoder], access: FoldAccess, seed: int) -> Encoder:
    """A new encoder for the windows of a fold, its input scale set as pretraining sets it."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        encoder = build()
    streams = access.note("statistics", access.split.train)
    encoder.input_scale.copy_(sensor_scale(streams, seed))
    return encoder.eval()
