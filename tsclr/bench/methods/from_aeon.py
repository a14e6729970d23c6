"""Baselines that the package aeon implements; they need the extra ``bench``."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.methods.base import Method, import_optional
from tsclr.data.windows import Windows, all_of

__all__ = ["Catch24", "Hydra", "MiniRocket", "Quant"]

CHUNK = 256
"""Windows that Hydra transforms at a time; it holds all of its convolutions of them."""


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
    """Fixed convolution kernels with dilations [1]_.

    Only the windows from which the biases are taken are random, and their seed is fixed.

    Parameters
    ----------
    n_kernels : int
        Number of features, approximately.
    heads : sequence of str
        Heads for this method; ``ridge`` by default, as in the paper.

    References
    ----------
    .. [1] Dempster et al., MiniRocket: a very fast (almost) deterministic transform for time series
       classification, KDD 2021.
    """

    def __init__(self, n_kernels: int = 10_000, heads: Sequence[str] | None = ("ridge",)) -> None:
        super().__init__(heads)
        self.n_kernels = n_kernels

    def learn(self, access: FoldAccess) -> Representation:
        """Biases are quantiles over streams of the training subjects."""
        kind = import_optional("aeon.transformations.collection.convolution_based").MiniRocket
        rocket = kind(n_kernels=self.n_kernels, random_state=0)
        rocket.fit(all_of(access.sample()))
        return Representation(
            access.standardised(lambda windows: rocket.transform(all_of(windows)))
        )


class Hydra(FromAeon):
    """Competing convolution kernels: which of a group matches best, counted over time [1]_.

    The counts are scaled as in the paper: square roots, standardised where they are not 0. The
    moments are those of unlabelled training windows.

    Parameters
    ----------
    n_kernels : int
        Kernels of a group.
    n_groups : int
        Groups for each dilation.
    seed : int
        Seed of the kernels.
    heads : sequence of str
        Heads for this method; ``ridge`` by default, as in the paper.

    References
    ----------
    .. [1] Dempster et al., Hydra: competing convolutional kernels for fast and accurate time series
       classification, Data Mining and Knowledge Discovery 37, 2023.
    """

    def __init__(
        self,
        n_kernels: int = 8,
        n_groups: int = 64,
        seed: int = 0,
        heads: Sequence[str] | None = ("ridge",),
    ) -> None:
        super().__init__(heads)
        self.n_kernels = n_kernels
        self.n_groups = n_groups
        self.seed = seed

    def learn(self, access: FoldAccess) -> Representation:
        """Kernels are random; only the scale of their counts is learned."""
        name = "aeon.transformations.collection.convolution_based"
        kind = import_optional(name).HydraTransformer
        hydra = kind(self.n_kernels, self.n_groups, random_state=self.seed, output_type="numpy")
        n_threads = torch.get_num_threads()
        with torch.random.fork_rng():  # it seeds torch, and sets its threads
            hydra.fit(all_of(access.sample().select(np.arange(2))))
        torch.set_num_threads(n_threads)

        def counts(windows: Windows) -> Float[np.ndarray, "N F"]:
            starts = range(0, len(windows), CHUNK)
            chunks = (np.arange(start, len(windows))[:CHUNK] for start in starts)
            found = [hydra.transform(all_of(windows.select(chunk))) for chunk in chunks]
            return np.sqrt(np.concatenate(found).clip(0))

        roots = counts(access.sample())
        mean, spread = roots.mean(0), roots.std(0, ddof=1) + (roots == 0).mean(0) ** 4 + 1e-8

        def embed(windows: Windows) -> Float[np.ndarray, "N F"]:
            found = counts(windows)
            return (found - mean) * (found != 0) / spread

        return Representation(embed)


class Quant(FromAeon):
    """Quantiles of dyadic intervals of a window, its differences and its spectrum [1]_.

    Parameters
    ----------
    heads : sequence of str
        Heads for this method; ``extra-trees`` by default, as in the paper.

    References
    ----------
    .. [1] Dempster et al., QUANT: a minimalist interval method for time series classification, Data
       Mining and Knowledge Discovery 38, 2024.
    """

    def __init__(self, heads: Sequence[str] | None = ("extra-trees",)) -> None:
        super().__init__(heads)

    def learn(self, access: FoldAccess) -> Representation:
        """Only their moments are learned."""
        name = "aeon.transformations.collection.interval_based"
        quant = import_optional(name).QUANTTransformer()
        with warnings.catch_warnings():  # it mixes arrays and tensors, of which NumPy disapproves
            warnings.filterwarnings("ignore", "__array_wrap__", DeprecationWarning)
            quant.fit(all_of(access.sample().select(np.arange(2))))
        return Representation(access.standardised(lambda windows: quant.transform(all_of(windows))))


class Catch24(FromAeon):
    """The 22 canonical features of each channel [1]_, with its mean and standard deviation.

    The canonical features know nothing of level and scale, which tell postures apart.

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
        catch = kind(catch24=True, replace_nans=True)
        return Representation(
            access.standardised(lambda windows: catch.fit_transform(all_of(windows).astype(float)))
        )
