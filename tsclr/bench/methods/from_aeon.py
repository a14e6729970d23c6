"""Baselines that the package aeon implements; they need the extra ``bench``."""

from collections.abc import Sequence

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.methods.base import Method, import_optional
from tsclr.data.windows import all_of


class FromAeon(Method):
    """Base of the methods that aeon implements, which give features and no encoder.

    Parameters
    ----------
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.
    """

    encodes = False

    def versions(self) -> dict[str, str]:
        """Versions of aeon and of numba, which compiles it."""
        return {name: import_optional(name).__version__ for name in ("aeon", "numba")}


class MiniRocket(FromAeon):
    """Random convolution kernels with dilations [1]_.

    Parameters
    ----------
    n_kernels : int
        Number of features, approximately.
    seed : int
        Seed of the biases.
    heads : sequence of str
        Heads for this method; ``ridge`` by default, as in the paper.

    References
    ----------
    .. [1] Dempster et al., MiniRocket: a very fast (almost) deterministic transform for time series
       classification, KDD 2021.
    """

    def __init__(
        self, n_kernels: int = 10_000, seed: int = 0, heads: Sequence[str] | None = ("ridge",)
    ) -> None:
        super().__init__(heads)
        self.n_kernels = n_kernels
        self.seed = seed

    def learn(self, access: FoldAccess) -> Representation:
        """Biases are quantiles over streams of the training subjects."""
        kind = import_optional("aeon.transformations.collection.convolution_based").MiniRocket
        rocket = kind(n_kernels=self.n_kernels, random_state=self.seed)
        rocket.fit(all_of(access.sample()))
        return Representation(
            access.standardised(lambda windows: rocket.transform(all_of(windows)))
        )


class Catch22(FromAeon):
    """The 22 canonical features of each channel [1]_.

    Parameters
    ----------
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.

    References
    ----------
    .. [1] Lubba et al., catch22: CAnonical Time-series CHaracteristics, Data Mining and Knowledge
       Discovery 33, 2019.
    """

    def learn(self, access: FoldAccess) -> Representation:
        """Only their moments are learned."""
        kind = import_optional("aeon.transformations.collection.feature_based").Catch22
        catch = kind(replace_nans=True)
        return Representation(
            access.standardised(lambda windows: catch.fit_transform(all_of(windows).astype(float)))
        )
