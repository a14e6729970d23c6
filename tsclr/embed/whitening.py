"""Features of positive pairs in, a linear map out: fitted in closed form, without labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted


class PairWhitening(TransformerMixin, BaseEstimator):
    """Linear map under which positive pairs differ little and the rest differs much.

    Each of the d features is first standardised to mean 0 and standard deviation 1 over all
    members of all pairs, because `alpha` would otherwise depend on units: an energy and a logarithm
    of a power differ by orders of magnitude. Of the standardised features f take ::

        S_w = 1/2 E[(f_i - f_j)(f_i - f_j)^T] + alpha * tr(.)/d * I      within pairs
        S_t = E[f f^T]                                                 total
        S_t v = lambda S_w^power v,    v^T S_w^power v = 1

    with S_w^power a power of the symmetric matrix. The output is the projection on the
    eigenvectors v in order of falling lambda, and lambda is the variance of its column.

    With power 1 that is the full whitening of pairs: the within-pair covariance of the output
    is the identity (for alpha 0), and lambda is the total variance over the within-pair variance.
    With power 0 pairs do not enter and the output is a principal component analysis of the
    standardised features. Between the two, directions that are stable within pairs are stretched
    less far. That helps where labels are very few, and features of a trained encoder, which pairs
    have shaped already: full whitening gives their smallest directions too much weight.

    Do not standardise the output: its unequal variances are the information.

    Parameters
    ----------
    alpha : float
        Ridge on the within-pair scatter as a share of its mean eigenvalue, 0 or more.
    power : float
        How far to whiten, from 0 (not) to 1 (fully).
    n_components : int, optional
        Directions to keep, all d by default.

    Attributes
    ----------
    mean_ : (d,) array
        Mean of each feature.
    scale_ : (d,) array
        Standard deviation of each feature; infinite for a constant one, which drops out.
    projection_ : (d, n_components) array
        The eigenvectors v; each column's largest weight is positive.
    eigenvalues_ : (n_components,) array
        The lambdas, falling.
    n_features_in_ : int
        d.

    References
    ----------
    A. Bar-Hillel, T. Hertz, N. Shental and D. Weinshall, "Learning distance functions using
    equivalence relations", ICML 2003 (relevant component analysis, here with chunklets of two).
    J. HaoChen, C. Wei, A. Gaidon and T. Ma, "Provable guarantees for self-supervised deep learning
    with spectral contrastive loss", NeurIPS 2021.

    Examples
    --------
    A small shared signal is hidden by large noise that differs within each pair:

    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(500, 1))
    >>> first, second = (
    ...     np.hstack([rng.normal(size=(500, 1)) * 100, shared + 0.1 * rng.normal(size=(500, 1))])
    ...     for _ in range(2)
    ... )
    >>> whitening = PairWhitening(power=1.0, n_components=1).fit(first, second)
    >>> whitening.transform(first).shape
    (500, 1)
    >>> abs(np.corrcoef(whitening.transform(first)[:, 0], shared[:, 0])[0, 1]).item() > 0.99
    True
    """

    def __init__(
        self, alpha: float = 0.1, power: float = 0.5, n_components: int | None = None
    ) -> None:
        self.alpha = alpha
        self.power = power
        self.n_components = n_components

    def fit(self, first: np.ndarray, second: np.ndarray) -> "PairWhitening":
        """Find the map from N positive pairs.

        Parameters
        ----------
        first, second : (N, d) arrays
            Row n of both is a positive pair. Computed in double precision.

        Returns
        -------
        PairWhitening
            Itself.

        Raises
        ------
        ValueError
            If the shapes differ, a value is not finite, there are fewer than two pairs, a setting
            is out of range, or the within-pair scatter is singular and `alpha` is 0.
        """
        first, second = _checked_pairs(first, second)
        self.n_features_in_ = first.shape[1]
        self._check_settings()
        self.mean_, self.scale_ = _moments(first, second)
        first, second = ((f - self.mean_) / self.scale_ for f in (first, second))
        within = _ridge(_scatter(first - second) / 2, self.alpha)
        total = (_scatter(first) + _scatter(second)) / 2
        whiten = _inverse_root(within, self.power)
        # With v = W u and W = S_w^(-power/2), the problem is the symmetric one W S_t W u = λ u.
        eigenvalues, rotation = eigh(whiten @ total @ whiten)
        self.eigenvalues_ = eigenvalues[::-1][: self.n_components]
        self.projection_ = _positive_columns(whiten @ rotation[:, ::-1][:, : self.n_components])
        return self

    def transform(self, X: np.ndarray) -> Float64[np.ndarray, "N D"]:
        """Map features of any windows, paired or not.

        Parameters
        ----------
        X : (N, d) array
            Features in the order in which they were fitted.

        Returns
        -------
        (N, n_components) float64 array
            Not to be standardised again.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` has not been called.
        ValueError
            If X has another number of features or a value that is not finite.
        """
        check_is_fitted(self)
        X = _checked(X, "X")
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, the whitening was fitted on {self.n_features_in_}"
            )
        return (X - self.mean_) / self.scale_ @ self.projection_

    def to_arrays(self) -> dict[str, Float64[np.ndarray, "..."]]:
        """Return what `fit` found, by attribute name; `from_arrays` is the way back.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` has not been called.
        """
        check_is_fitted(self)
        return {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], **settings: Any) -> "PairWhitening":
        """Rebuild a fitted map.

        Parameters
        ----------
        arrays : mapping of str to array
            As `to_arrays` gives them.
        **settings
            The constructor's arguments.

        Raises
        ------
        KeyError
            If an array is missing.
        ValueError
            If the shapes do not fit together.

        Examples
        --------
        >>> first, second = np.random.default_rng(0).normal(size=(2, 50, 3))
        >>> fitted = PairWhitening(alpha=0.2).fit(first, second)
        >>> again = PairWhitening.from_arrays(fitted.to_arrays(), **fitted.get_params())
        >>> np.array_equal(again.transform(first), fitted.transform(first))
        True
        """
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise KeyError(f"PairWhitening needs {', '.join(_ARRAYS)}; missing: {missing}")
        shapes = [np.shape(arrays[name]) for name in _ARRAYS]
        d, n_components = (*shapes[0], 0, 0)[:2]
        if shapes != [(d, n_components), (n_components,), (d,), (d,)]:
            raise ValueError(f"{', '.join(_ARRAYS)} do not fit together: shapes {shapes}")
        fitted = cls(**settings)
        fitted.n_features_in_ = d
        for name in _ARRAYS:
            setattr(fitted, name, np.asarray(arrays[name], dtype=np.float64))
        return fitted

    def _check_settings(self) -> None:
        d = self.n_features_in_
        if not 0 <= self.alpha < np.inf:
            raise ValueError(f"alpha is {self.alpha}, it must be finite and at least 0")
        if not 0 <= self.power <= 1:
            raise ValueError(f"power is {self.power}, it must lie between 0 and 1")
        if self.n_components is not None and not 1 <= self.n_components <= d:
            raise ValueError(
                f"n_components is {self.n_components}, with {d} features it must lie between 1 "
                f"and {d}, or be None for all"
            )


_ARRAYS = ("projection_", "eigenvalues_", "mean_", "scale_")


def _checked(X: np.ndarray, name: str) -> Float64[np.ndarray, "N D"]:
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(f"{name} has shape {X.shape}, expected (N, d) features")
    n_bad = int((~np.isfinite(X)).sum())
    if n_bad:
        raise ValueError(f"{name} holds {n_bad} values that are not finite; leave these rows out")
    return X


def _checked_pairs(
    first: np.ndarray, second: np.ndarray
) -> tuple[Float64[np.ndarray, "N D"], Float64[np.ndarray, "N D"]]:
    first, second = _checked(first, "first"), _checked(second, "second")
    if first.shape != second.shape:
        raise ValueError(f"positives must pair up: shapes {first.shape} and {second.shape}")
    if len(first) < 2:
        raise ValueError(f"at least 2 pairs are needed, got {len(first)}")
    return first, second


def _moments(
    first: Float64[np.ndarray, "N D"], second: Float64[np.ndarray, "N D"]
) -> tuple[Float64[np.ndarray, " D"], Float64[np.ndarray, " D"]]:
    """Mean and standard deviation of each feature; infinite where only rounding moves it."""
    mean = (first.mean(0) + second.mean(0)) / 2
    variance = (((first - mean) ** 2).mean(0) + ((second - mean) ** 2).mean(0)) / 2
    scale = np.sqrt(variance)
    # Features usually were float32: a spread below that precision is noise, not to be blown up.
    constant = scale <= np.finfo(np.float32).eps * np.abs(mean)
    return mean, np.where(constant, np.inf, scale)


def _scatter(f: Float64[np.ndarray, "N D"]) -> Float64[np.ndarray, "D D"]:
    return f.T @ f / len(f)


def _ridge(scatter: Float64[np.ndarray, "D D"], alpha: float) -> Float64[np.ndarray, "D D"]:
    d = len(scatter)
    return scatter + alpha * np.trace(scatter) / d * np.eye(d)


def _inverse_root(scatter: Float64[np.ndarray, "D D"], power: float) -> Float64[np.ndarray, "D D"]:
    """``scatter ** (-power / 2)`` of a symmetric matrix."""
    values, vectors = eigh(scatter)
    n_flat = int((values <= len(values) * np.finfo(np.float64).eps * values[-1]).sum())
    if power > 0 and n_flat:
        raise ValueError(
            f"pairs do not differ at all in {n_flat} of {len(values)} directions, so these cannot "
            "be whitened: give pairs that differ, and alpha above 0 (0.01, say) where features "
            "are constant or depend on each other"
        )
    # Rounding can push the smallest eigenvalues of a positive matrix below zero.
    return (vectors * np.maximum(values, 0) ** (-power / 2)) @ vectors.T


def _positive_columns(projection: Float64[np.ndarray, "D M"]) -> Float64[np.ndarray, "D M"]:
    """Fix the sign of each eigenvector, which is arbitrary, so that machines agree."""
    largest = np.abs(projection).argmax(axis=0)
    return projection * np.sign(projection[largest, np.arange(projection.shape[1])])
