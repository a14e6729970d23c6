"""The base class of the methods, and how they import packages of an extra.

A method learns without labels; the heads of `tsclr.evaluate.heads` learn from labels.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.cache import source_digest
from tsclr.evaluate.heads import FeatureHead, find_head, registered_heads
from tsclr.specs import spec_of

__all__ = ["Method"]


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
    pretrained_before : bool
        Whether it was pretrained before the suite, on subjects that no fold has chosen.
    encodes : bool
        Whether it gives an encoder.
    trainable : bool
        Whether a head may train that encoder.
    own_heads : sequence of str
        Names of classifiers that it brings along; then it supports no other head.
    """

    pretrains: ClassVar[bool] = False
    pretrained_before: ClassVar[bool] = False
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
        """Whether it learns from unlabelled streams of test subjects, which results then say."""
        return False

    @property
    def reads_labels(self) -> bool:
        """Whether it learns from the labels of all training windows, which results then say."""
        return False

    def key(self) -> dict[str, Any]:
        """All that the result depends on besides the data and the head, as JSON can hold it."""
        settings = {name: value for name, value in spec_of(self).items() if name != "heads"}
        return settings | {"source": source_digest(type(self))}

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


def import_optional(module: str) -> Any:
    """A module that the extra ``bench`` installs; raise ``ValueError`` if it is absent."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is not installed, which this method needs: pip install 'tsclr[bench]'"
        ) from error
