"""Baselines as WHAR Arena has them: a network trained by its recipe, the features of its forest.

M. Burzer et al., WHAR Arena: benchmarking the state of the art in efficient wearable human activity
recognition, arXiv:2606.13194, 2026.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.methods.base import Method
from tsclr.data.windows import Windows, all_of
from tsclr.evaluate.arena import ArenaCNN

__all__ = ["SupervisedCNN", "TsfreshMinimal"]


class SupervisedCNN(Method):
    """A small network, trained on the labels by the recipe of another benchmark, without views.

    The recipe is that of WHAR Arena [1]_ (`tsclr.evaluate.arena.ArenaCNN`), the network a `CNN1d`.
    The best network of WHAR Arena on average, CNN-HAR, convolves each channel by itself and takes
    thirteen times as long. The windows are those of the suite; a dataset with ``window: 3.0`` has
    those of WHAR Arena. Weights and batches differ from label draw to label draw; with all labels a
    suite repeats the training for each of its `seeds`.

    References
    ----------
    .. [1] Burzer et al., WHAR Arena, arXiv:2606.13194, 2026; protocol ``whar_arena_v1``.
    """

    encodes = False
    own_heads = ("supervised-cnn",)

    def __init__(self) -> None:
        super().__init__(["supervised-cnn"])

    def learn(self, access: FoldAccess) -> Representation:
        """Without labels, only the moments of the channels are learned."""
        windows = all_of(access.sample())
        spread = windows.std((0, 2))
        spread[spread == 0] = 1  # a channel that is silent
        classifier = ArenaCNN(windows.mean((0, 2)), spread)
        return Representation(classifiers={"supervised-cnn": [classifier]})


class TsfreshMinimal(Method):
    """The minimal features of tsfresh [1]_, by channel: nine statistics of the values [2]_.

    Sum, median, mean, standard deviation, variance, root mean square, maximum, largest size and
    minimum; the length, which all windows share, is left out. They are computed here, since a
    package for them would be heavy.

    Parameters
    ----------
    heads : sequence of str
        Heads for this method; ``forest`` by default, as in [2]_.

    References
    ----------
    .. [1] Christ et al., Time series feature extraction on basis of scalable hypothesis tests
       (tsfresh), Neurocomputing 307, 2018; the set ``MinimalFCParameters``.
    .. [2] Burzer et al., WHAR Arena, arXiv:2606.13194, 2026, the random forest.
    """

    encodes = False

    def __init__(self, heads: Sequence[str] | None = ("forest",)) -> None:
        super().__init__(heads)

    def learn(self, access: FoldAccess) -> Representation:
        """Only their moments are learned."""
        return Representation(access.standardised(minimal_features))


def minimal_features(windows: Windows) -> Float[np.ndarray, "N F"]:
    """Nine statistics of each channel of each window."""
    x = all_of(windows).astype(float)
    statistics = (
        x.sum(2),
        np.median(x, 2),
        x.mean(2),
        x.std(2),
        x.var(2),
        np.sqrt((x**2).mean(2)),
        x.max(2),
        np.abs(x).max(2),
        x.min(2),
    )
    return np.concatenate(statistics, axis=1)
