"""The base classes of the methods, and what they share: configs, random weights, extras.

A method learns without labels; the heads of `tsclr.evaluate.heads` learn from labels.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, ClassVar

import torch

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.cache import source_hashes
from tsclr.config.pretraining import Pretraining, read_config
from tsclr.encoders import Encoder
from tsclr.evaluate.heads import FeatureHead, find_head, registered_heads
from tsclr.specs import spec_of
from tsclr.train.setup import sensor_scale

__all__ = ["FromConfig", "Method"]


class Method(ABC):
    """Base of the methods of a suite.

    Parameters
    ----------
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.

    Attributes
    ----------
    pretrains : bool
        Whether it pretrains on unlabelled streams; reports draw the others in grey, as baselines.
    encodes : bool
        Whether it gives an encoder.
    trainable : bool
        Whether a head may train that encoder.
    own_heads : sequence of str
        Names of classifiers that it brings along; then it supports no other head.
    """

    pretrains: ClassVar[bool] = False
    encodes: ClassVar[bool] = True
    trainable: ClassVar[bool] = False
    own_heads: ClassVar[Sequence[str]] = ()
    whiten: bool = False
    """Whether pair whitening, which is of whole windows, follows the encoder."""

    def __init__(self, heads: Sequence[str] | None = None) -> None:
        self.heads = heads

    @property
    def segments(self) -> bool:
        """Whether every sample of a stream can be labelled, which takes plain encoder features."""
        return self.encodes and not self.whiten

    def supported_heads(self) -> list[str]:
        """Names of the heads for which it gives features or an encoder."""
        return list(self.own_heads or filter(self.supports, registered_heads()))

    def supports(self, head: str) -> bool:
        """Whether it gives what a head reads: features, or an encoder to train."""
        if self.own_heads:
            return head in self.own_heads
        return isinstance(find_head(head), FeatureHead) or self.trainable

    def check(self) -> None:
        """Raise what would keep it from learning, before anything is computed."""
        self.versions()

    @property
    def transductive(self) -> bool:
        """Whether it learns from unlabelled streams of test subjects."""
        return False

    @property
    def remarks(self) -> list[str]:
        """What results add to its name: that it sees more than other methods."""
        return ["transductive"] if self.transductive else []

    def key(self) -> dict[str, Any]:
        """All that the result depends on besides the data and the head, as JSON can hold it."""
        settings = {name: value for name, value in spec_of(self).items() if name != "heads"}
        return settings | {"source": source_hashes(type(self))}

    def versions(self) -> dict[str, str]:
        """Versions of packages that the result depends on, besides those of tsclr."""
        return {}

    @abstractmethod
    def learn(self, access: FoldAccess) -> Representation:
        """Learn without labels.

        Parameters
        ----------
        access : FoldAccess
            Gives windows without labels, and records who was used for what.
        """


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


def import_optional(module: str) -> Any:
    """A module that the extra ``bench`` installs; raise ``ValueError`` if it is absent."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is not installed, which this method needs: pip install 'tsclr[bench]'"
        ) from error
