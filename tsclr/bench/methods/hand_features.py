"""The baseline of hand-crafted features, which nobody trains."""

from collections.abc import Sequence

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.methods.base import Method
from tsclr.encoders import Statistics

__all__ = ["HandFeatures"]


class HandFeatures(Method):
    """The 174 hand-crafted features of `tsclr.encoders.Statistics`.

    Parameters
    ----------
    whiten : bool
        Apply pair whitening to the features, which are then not standardised.
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.
    """

    def __init__(self, whiten: bool = False, heads: Sequence[str] | None = None) -> None:
        super().__init__(heads)
        self.whiten = whiten

    def learn(self, access: FoldAccess) -> Representation:
        """Only their moments or their whitening are learned."""
        spec = access.input_spec
        encoder = Statistics(len(spec.channels), spec.sample_rate)
        return Representation(access.embed_with(encoder, self.whiten), encoder)
