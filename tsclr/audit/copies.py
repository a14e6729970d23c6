"""Windows and which of them are tested in, pairs that share samples out, found by their content.

Equal values are no proof: rest, padding and coarse values agree by chance. So a pair counts if the
steps from sample to sample that the two share are together too rare for that.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

RUN = 8
"""Time steps that are compared at once when samples are found by their content."""

SURE_BITS = 40
"""Evidence for no coincidence, above what the likeliest of all pairs and shifts has by chance."""

RESOLUTION = 2.0**-18
"""Finest difference of two samples, of their mean size: finer ones are errors of rounding."""

MAX_RUNS = 2**22
"""Runs kept in memory; of more, a share is drawn by content, alike in all windows."""

N_PAIRS = 4
"""Pairs that are compared in full for each test window."""

CHUNK = 2**22
"""Values looked at at a time."""


class Runs(NamedTuple):
    """Runs of `RUN` steps that are in a window once: arrays with an entry for each."""

    keys: np.ndarray
    window: np.ndarray
    offset: np.ndarray


class Pairs(NamedTuple):
    """Test windows and others that look equal: sample t of one is t + shift of the other."""

    test: np.ndarray
    other: np.ndarray
    shift: np.ndarray


class Chances(NamedTuple):
    """How rare each step from a sample to the next is, all channels at once, in the windows.

    ``bits`` are −log₂ of the shares of the steps with these sorted ``keys``; the last is that of a
    step which was not counted. ``grain`` (C, 1) is the finest difference that is told apart.
    """

    grain: np.ndarray
    keys: np.ndarray
    bits: np.ndarray


class Copies:
    """What tested windows and others have in common.

    Parameters
    ----------
    windows : (N, C, T) float
        May be mapped; it is read in parts.
    tested : (N,) bool
        Which are of the test.

    Attributes
    ----------
    sampled : bool
        Whether a share of the runs is looked at, there being too many.

    Examples
    --------
    >>> stream = np.random.default_rng(0).normal(size=(3, 256))
    >>> windows = np.stack([stream[:, :128], stream[:, 96:224], stream[:, :128]])
    >>> copies = Copies(windows, np.array([False, True, True]))
    >>> copies.whole().test.tolist(), copies.whole().other.tolist()
    ([2], [0])
    >>> pairs, _ = copies.in_part()
    >>> pairs.test.tolist(), pairs.other.tolist(), pairs.shift.tolist()
    ([1], [0], [96])
    """

    def __init__(self, windows: np.ndarray, tested: np.ndarray) -> None:
        self.windows = windows
        self.tested = tested
        self.sampled = _one_in(windows.shape) > 1
        self._whole, self._runs = _hashed(windows)
        self._chances = _count_steps(windows)

    def whole(self) -> Pairs:
        """Test windows that are also among the others."""
        pairs = _whole_pairs(self._whole, self._runs, self.tested)
        return _agreeing(self.windows, pairs, self._chances)

    def in_part(self) -> tuple[Pairs, bool]:
        """Test windows that share a part with others, and whether there may be more of them."""
        T = self.windows.shape[2]
        pairs, limited = _shifted_pairs(T, self._whole, self._runs, self.tested)
        found = _agreeing(self.windows, pairs, self._chances)
        return found, self.sampled or len(np.setdiff1d(limited, found.test)) > 0


def visible_samples(windows: np.ndarray) -> int:
    """Samples that hold enough evidence in half of the windows; T + 1 if none do.

    Parameters
    ----------
    windows : (N, C, T) float
        May be mapped; a share of it is read.
    """
    bits = _bits(share_of(windows), _count_steps(windows))
    fewest = (np.cumsum(bits, axis=1) < _needed(windows.shape)).sum(1) + 2
    return max(RUN, int(np.median(fewest)))


def in_parts(windows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Number of the first window and the windows of each part that fits into memory.

    Parameters
    ----------
    windows : (N, C, T) float
        May be mapped.

    Yields
    ------
    int, (n, C, T) float
        In the byte order of the machine.
    """
    size = max(1, CHUNK // (windows.shape[1] * windows.shape[2]))
    for first in range(0, len(windows), size):
        part = windows[first : first + size]
        yield first, part.astype(part.dtype.newbyteorder("="))


def share_of(windows: np.ndarray) -> np.ndarray:
    """Every so many windows, as many as fit into memory, in double precision.

    Parameters
    ----------
    windows : (N, C, T) float
        May be mapped.
    """
    return windows[:: -(-windows.size // CHUNK)].astype(np.float64)


def _steps(part: np.ndarray) -> np.ndarray:
    """A 64-bit key (n, T) of each time step over all channels; equal values, equal keys."""
    bits = (part + 0.0).view(f"u{part.dtype.itemsize}")  # -0.0 becomes 0.0
    keys = np.zeros((part.shape[0], part.shape[2]), np.uint64)
    for channel in range(part.shape[1]):
        keys = _mixed(keys + bits[:, channel].astype(np.uint64))
    return keys


def _mixed(keys: np.ndarray) -> np.ndarray:
    """Spread 64-bit keys evenly (the finaliser of SplitMix64, Steele et al., OOPSLA 2014)."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def _one_in(shape: tuple[int, ...]) -> int:
    """Of how many runs one is kept."""
    return -(-shape[0] * (shape[2] - RUN + 1) // MAX_RUNS)


def _hashed(windows: np.ndarray) -> tuple[np.ndarray, Runs]:
    """Key (N,) of each window, and the runs that tell something about it."""
    one_in = np.uint64(_one_in(windows.shape))
    whole, found = [], []
    for first, part in in_parts(windows):
        steps = _steps(part)
        whole.append(_chained(steps, windows.shape[2])[:, 0])
        keys = _chained(steps, RUN)
        window, offset = np.nonzero((keys % one_in == 0) & ~_repeated(keys))
        found.append(Runs(keys[window, offset], window + first, offset))
    return np.concatenate(whole), Runs(*map(np.concatenate, zip(*found, strict=True)))


def _chained(steps: np.ndarray, length: int) -> np.ndarray:
    """Key of `length` steps in their order, from every step on."""
    n_runs = steps.shape[1] - length + 1
    keys = np.zeros((len(steps), n_runs), np.uint64)
    for step in range(length):
        keys = _mixed(keys + steps[:, step : step + n_runs])
    return keys


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Which keys their row has more than once."""
    order = np.argsort(keys, axis=1)
    ordered = np.take_along_axis(keys, order, 1)
    equal = np.pad(ordered[:, 1:] == ordered[:, :-1], ((0, 0), (1, 1)))
    repeated = np.empty(keys.shape, bool)
    np.put_along_axis(repeated, order, equal[:, 1:] | equal[:, :-1], 1)
    return repeated


def _whole_pairs(whole: np.ndarray, runs: Runs, tested: np.ndarray) -> Pairs:
    """Pairs of windows with one key, but for those that only repeat something short."""
    told = np.unique(runs.window)
    test, other = _neighbours(whole[told], told, tested)
    return Pairs(told[test], told[other], np.zeros(len(test), int))


def _shifted_pairs(
    T: int, whole: np.ndarray, runs: Runs, tested: np.ndarray
) -> tuple[Pairs, np.ndarray]:
    """Pairs of windows with runs in common, of each test window those that most runs speak for.

    Also the test windows that may have others: more pairs, or a copy that stood before them.
    """
    N = len(whole)
    runs = _rare(runs, whole, most=T - RUN + 1)
    test, other = _neighbours(runs.keys, runs.window, tested)
    shift = runs.offset[other] - runs.offset[test]
    moved = shift != 0
    pair = (runs.window[test] * N + runs.window[other]) * (2 * T) + shift + T
    copied = runs.window[test[~moved]]
    pair, support = np.unique(pair[moved], return_counts=True)
    test = pair // (2 * T * N)
    pair = pair[np.lexsort([-support, test])]
    kept = np.arange(len(test)) - np.searchsorted(test, test) < N_PAIRS
    pair = pair[kept]
    pairs = Pairs(pair // (2 * T * N), pair // (2 * T) % N, pair % (2 * T) - T)
    return pairs, np.concatenate([test[~kept], copied])


def _rare(runs: Runs, whole: np.ndarray, most: int) -> Runs:
    """The runs that no more than `most` different windows have: copies are counted once."""
    first = np.zeros(len(whole), bool)
    first[np.unique(whole, return_index=True)[1]] = True
    _, group = np.unique(runs.keys, return_inverse=True)
    n_windows = np.bincount(group, first[runs.window])
    return Runs(*(values[n_windows[group] <= most] for values in runs))


def _neighbours(
    keys: np.ndarray, window: np.ndarray, tested: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Entries of test windows, and of others with the same key: the nearest before and after."""
    order = np.lexsort([window, keys])
    opens = np.append(True, keys[order][1:] != keys[order][:-1])[: len(order)]
    group = np.cumsum(opens)
    is_test = tested[window[order]]
    places = np.arange(len(order))
    before = np.maximum.accumulate(np.where(is_test, -1, places))
    after = np.minimum.accumulate(np.where(is_test, len(order), places)[::-1])[::-1]
    test = np.tile(places[is_test], 2)
    other = np.concatenate([before[is_test], after[is_test]])
    inside = (other >= 0) & (other < len(order))
    test, other = test[inside], other[inside]
    same = group[test] == group[other]
    return order[test[same]], order[other[same]]


def _agreeing(windows: np.ndarray, pairs: Pairs, chances: Chances) -> Pairs:
    """The pairs that are equal wherever they lie upon each other, which chance does not explain."""
    _, C, T = windows.shape
    agrees = np.zeros(len(pairs.test), bool)
    size = max(1, CHUNK // (C * T))
    for low in range(0, len(agrees), size):
        test, other, shift = (values[low : low + size] for values in pairs)
        place = np.arange(T) + shift[:, None]
        inside = (place >= 0) & (place < T)
        one, two = windows[test], windows[other]
        two = np.take_along_axis(two, np.clip(place, 0, T - 1)[:, None], 2)
        equal = np.flatnonzero(((one == two) | ~inside[:, None]).all((1, 2)))
        both = inside[equal, 1:] & inside[equal, :-1]
        evidence = (_bits(one[equal].astype(np.float64), chances) * both).sum(1)
        agrees[low + equal] = evidence >= _needed(windows.shape)
    return Pairs(*(values[agrees] for values in pairs))


def _needed(shape: tuple[int, ...]) -> float:
    """Bits that an equal stretch of two of the windows must have to be no coincidence."""
    return float(np.log2(shape[0] ** 2 * shape[2])) + SURE_BITS


def _count_steps(windows: np.ndarray) -> Chances:
    """How rare each step is, from a share of the windows."""
    part = share_of(windows)
    size = np.abs(part).mean((0, 2))
    grain = np.where(size > 0, size * RESOLUTION, 1)[:, None]
    keys, counts = np.unique(_steps(_differences(part, grain)), return_counts=True)
    return Chances(grain, keys, np.log2(counts.sum() + 1) - np.log2(np.append(counts, 0) + 1))


def _differences(part: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """Steps (n, C, T - 1) from each sample to the next, in whole grains."""
    return np.round(np.diff(part) / grain)


def _bits(part: np.ndarray, chances: Chances) -> np.ndarray:
    """How improbable (n, T - 1) each step of these windows is; 0 where nothing changes."""
    steps = _differences(part, chances.grain)
    keys = _steps(steps)
    place = np.searchsorted(chances.keys[:-1], keys)
    known = chances.keys[place] == keys
    return chances.bits[np.where(known, place, -1)] * (steps != 0).any(1)
