"""The pairing with a window from the stationary stretch around each window.

The stretch grows by a length of the window to either side as long as the signal in it is
stationary by the augmented Dickey-Fuller test; its half width is the spread of a Gaussian::

                    |====|                      window
                 |-----+-----|                  width 1: stationary
           |-----------+-----------|            width 2: stationary
     |-----------------+-----------------|      width 3: not, so the width is 2
"""

from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri

from tsclr.data.windows import Windows
from tsclr.pairs.base import Indices, Pairing, nearest, stretch, uniform

__all__ = ["StationaryNeighbour"]

N_TESTED = 2**19
"""Samples, over all channels, that are tested at once: the working set is some 20 MiB."""

LEAST, TURN, MOST = -18.83, -1.61, 2.74
"""Statistics at which p is 0, where the approximation changes, and at which p is 1."""

LOWER = (2.1659, 1.4412, 0.038269)
UPPER = (1.7339, 0.93202, -0.12745, -0.010368)
"""Polynomials whose normal distribution function is p, below and above `TURN`."""

_known: WeakKeyDictionary[Windows, dict[tuple, np.ndarray]] = WeakKeyDictionary()
"""Widths found so far, by the settings that they were found with; 0 is not yet."""


def dickey_fuller(x: Float[np.ndarray, "... T"], lags: int = 1) -> Float[np.ndarray, "..."]:
    """Statistic of the augmented Dickey-Fuller test with a constant; low where stationary.

    It is the t statistic of γ in the least-squares regression
    ``Δx_t = α + γ x_(t-1) + β_1 Δx_(t-1) + … + β_lags Δx_(t-lags)``. With a unit root, as of a
    random walk, γ is 0; a signal that returns to a mean has γ < 0.

    Raises
    ------
    ValueError
        If `lags` is negative or there are too few samples for the regression.

    References
    ----------
    S. E. Said and D. A. Dickey, "Testing for unit roots in autoregressive-moving average models of
    unknown order", Biometrika 71(3), 1984.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=1000)
    >>> np.round(dickey_fuller(np.stack([noise, noise.cumsum()])), 1)
    array([-22.4,   0.4])
    """
    n_equations = x.shape[-1] - 1 - lags
    # The constant α, γ and each lag take one degree of freedom.
    n_free = n_equations - lags - 2
    if lags < 0 or n_free < 1:
        raise ValueError(
            f"lags is {lags} for {x.shape[-1]} samples, expected 0 or more and at least "
            "2 · lags + 4 samples"
        )
    differences = np.diff(x.astype(np.float64))
    shifted = (differences[..., lags - i :][..., :n_equations] for i in range(lags + 1))
    # The level x_(t-1), the target Δx_t, then its lags; float64 through the differences.
    regressors = np.stack([x[..., lags:-1], *shifted], -2)
    # Centring stands for the constant α, which so needs no regressor.
    regressors -= regressors.mean(-1, keepdims=True)
    moments = regressors @ regressors.swapaxes(-1, -2)
    target, others = 1, np.delete(np.arange(lags + 2), 1)
    # Pseudo-inverse: regressors depend on each other where a signal is constant or a straight line.
    inverse = np.linalg.pinv(moments[..., others[:, None], others], hermitian=True)
    with_target = moments[..., others, target]
    coefficients = (inverse @ with_target[..., None])[..., 0]
    unexplained = moments[..., target, target] - (coefficients * with_target).sum(-1)
    variance = unexplained.clip(min=0) / n_free * inverse[..., 0, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.nan_to_num(coefficients[..., 0] / np.sqrt(variance), nan=0.0, neginf=-np.inf)
    # A constant returns to its mean, though the regression finds 0 / 0.
    return np.where(np.ptp(x, -1) == 0, -np.inf, statistic)


def unit_root_p(statistic: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Probability of a `dickey_fuller` statistic as low or lower if there is a unit root.

    References
    ----------
    J. G. MacKinnon, "Approximate asymptotic distribution functions for unit-root and cointegration
    tests", Journal of Business & Economic Statistics 12(2), 1994: one series, with a constant.

    Examples
    --------
    The 1, 5 and 10 % critical values of a long signal:

    >>> np.round(unit_root_p(np.array([-3.43, -2.86, -2.57])), 2)
    array([0.01, 0.05, 0.1 ])
    """
    t = statistic.clip(LEAST, MOST)
    quantile = np.where(t <= TURN, np.polyval(LOWER[::-1], t), np.polyval(UPPER[::-1], t))
    return np.select([t <= LEAST, t >= MOST], [0.0, 1.0], ndtr(quantile))


class StationaryNeighbour(Pairing):
    """A window near in time, from a Gaussian as wide as the signal around is stationary.

    The width η of each window is the largest of 1, 2, … `most` for which the samples within η
    lengths of its middle are stationary, and those of every smaller width too; it is at least 1.
    Stationary means that the mean over channels of the p of the augmented Dickey-Fuller test
    (`dickey_fuller`, `unit_root_p`) is below `p_value`. Partners start at a Gaussian distance with
    a standard deviation of η lengths, cut off at the ends of the gap-free stretch; the window
    itself is included. Near an end, the samples tested are the nearest as many within the stretch.

    A width is found when it is first asked for, and kept as long as the windows are.

    Parameters
    ----------
    most : int
        Largest width, in lengths of a window.
    p_value : float
        Above 0 and below 1. A smaller one gives narrower neighbourhoods.
    lags : int
        Lagged differences in the test.

    Raises
    ------
    ValueError
        If a setting is out of range; on use, if windows are too short for the test.

    References
    ----------
    S. Tonekaboni, D. Eytan and A. Goldenberg, "Unsupervised representation learning for time
    series with temporal neighborhood coding", ICLR 2021, section 2. Departure: the number of lags
    is fixed and not chosen by an information criterion for each signal, which costs hundreds of
    regressions.

    Examples
    --------
    Someone lies still, then drifts: neighbourhoods are wide at first and narrow later.

    >>> from tsclr.data.store import Store
    >>> from tsclr.types import Recording
    >>> noise = np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32)
    >>> noise[2000:] = noise[2000:].cumsum(0)
    >>> recording = Recording(
    ...     signal=noise, sample_rate=50.0, channels=("acc_x",), subject="s1", name="rest"
    ... )
    >>> windows = Windows.sliding(Store.build([recording]), length=100, stride=500)
    >>> StationaryNeighbour().widths(np.arange(8), windows)
    array([3, 3, 3, 3, 1, 1, 1, 1])
    """

    def __init__(self, most: int = 3, p_value: float = 0.01, lags: int = 1) -> None:
        if most < 1:
            raise ValueError(f"most={most} must be at least 1")
        if not 0 < p_value < 1:
            raise ValueError(f"p_value={p_value:g} must be above 0 and below 1")
        if lags < 0:
            raise ValueError(f"lags={lags} must not be negative")
        self.most = most
        self.p_value = p_value
        self.lags = lags

    def partner(
        self, index: Indices, windows: Windows, generator: torch.Generator | None = None
    ) -> Indices:
        """Draw a start from the Gaussian around each start, and take the nearest there is."""
        first, last = stretch(index, windows)
        low = windows.starts[np.searchsorted(windows.starts, first)]
        high = windows.starts[np.searchsorted(windows.starts, last, "right") - 1]
        starts = windows.starts[index]
        spread = self.widths(index, windows) * windows.length
        least, most = ndtr((low - starts) / spread), ndtr((high - starts) / spread)
        # By the inverse distribution function between both ends, so that no draw is rejected;
        # `clip` below brings back what rounding or an infinite quantile puts outside.
        drawn = ndtri(least + uniform(len(index), generator) * (most - least))
        return nearest(windows.starts, (starts + spread * drawn).clip(low, high))

    def widths(self, index: Indices, windows: Windows) -> Int[np.ndarray, " B"]:
        """Width η of the neighbourhood of windows, in lengths of a window.

        Parameters
        ----------
        index : (B,) int
            Windows.
        windows : Windows
            What `index` points into.
        """
        widths = _known.setdefault(windows, {}).setdefault(
            (self.most, self.p_value, self.lags), np.zeros(len(windows), int)
        )
        # Ascending, as the starts of `Windows` have to be.
        new = np.unique(index[widths[index] == 0])
        widths[new] = self._grown(new, windows)
        return widths[index]

    def _grown(self, index: Int[np.ndarray, " N"], windows: Windows) -> Int[np.ndarray, " N"]:
        """Widths of windows, which ascend."""
        widths, growing = np.ones(len(index), int), np.arange(len(index))
        for width in range(1, self.most + 1):
            growing = growing[self._is_stationary(index[growing], width, windows)]
            widths[growing] = width
        return widths

    def _is_stationary(
        self, index: Int[np.ndarray, " N"], width: int, windows: Windows
    ) -> np.ndarray:
        """Whether a stretch of `width` lengths to either side exists and is stationary."""
        length = 2 * width * windows.length
        first, last = stretch(index, windows)
        fits = np.flatnonzero(last - first + 1 >= length)
        middle = windows.starts[index] + windows.length // 2
        starts = (middle - length // 2).clip(first, last + 1 - length)[fits]
        stationary = np.zeros(len(index), bool)
        if len(fits):
            around = Windows(windows.store, length, starts)
            stationary[fits] = self._mean_p(around) < self.p_value
        return stationary

    def _mean_p(self, around: Windows) -> Float[np.ndarray, " N"]:
        """Mean over channels of the p of a unit root, some windows at a time."""
        n_windows = max(1, N_TESTED // (around.length * len(around.store.channels)))
        chunks = np.split(np.arange(len(around)), range(n_windows, len(around), n_windows))
        p = [
            unit_root_p(dickey_fuller(around.take(chunk).numpy(), self.lags)).mean(-1)
            for chunk in chunks
        ]
        return np.concatenate(p)
