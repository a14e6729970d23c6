"""Windows that share samples with test windows, found by their content.

Equal values alone prove nothing: two windows of rest, of padding or of coarsely rounded values are
equal by chance. So a pair counts only if the changes from sample to sample in the stretch that it
shares are together too rare for chance. It is found in three moves:

1. Hash every run of `RUN` samples at every offset of every window. Two windows that share a run are
   candidates, and the two offsets say how far one is shifted against the other.
2. Compare each candidate in full, all samples where the two lie on each other.
3. Add up how rare the shared changes are, in bits, take off what it costs to name the samples that
   are not equal, and keep pairs that are rare enough. So a few samples may have been altered.

A *sample* is one moment in all channels at once, a *change* is the difference between two
consecutive samples. The three moves are made with all channels, then with each half of them, so
that a copy is found whose other half was blanked.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tsclr.data.landmarks import splitmix64

RUN = 8
"""Samples that are hashed together; no shorter overlap is found."""

SURE_BITS = 40
"""Bits of evidence beyond those that the best of all pairs and shifts has by chance.

At 2⁻⁴⁰, about 10⁻¹², a false accusation stays improbable even though consecutive changes depend on
each other, which adding up their bits ignores, and though there are three groups of channels.
"""

RESOLUTION = 2.0**-18
"""Finest change that counts, as a share of a channel's mean size.

float32 keeps 24 bits. The 6 bits between leave room for values far above the mean and for the
rounding of a difference; without them, rounding would make every change look unique, hence rare.
"""

MAX_RUNS = 2**22
"""Runs kept in memory (100 MB); of more, a share is kept."""

N_PAIRS = 4
"""Candidates that are compared in full for each test window."""

CHUNK = 2**22
"""Values in memory at a time."""


class Runs(NamedTuple):
    """Runs of `RUN` samples that occur once in their window: arrays with an entry for each."""

    keys: np.ndarray
    window: np.ndarray
    offset: np.ndarray


class Pairs(NamedTuple):
    """Test windows and windows of the other side: sample t of one is t + shift of the other."""

    test: np.ndarray
    other: np.ndarray
    shift: np.ndarray


class Rarity(NamedTuple):
    """How rare each change is, all channels at once.

    ``bits`` are −log₂ of the share that each of the sorted ``keys`` has of all changes; the last
    entry is for changes that were not counted. Changes are measured in units of ``grain`` (C, 1).
    """

    grain: np.ndarray
    keys: np.ndarray
    bits: np.ndarray


class Copies:
    """What test windows have in common with the others.

    Parameters
    ----------
    windows : (N, C, T) float
        May be memory-mapped; read block by block.
    tested : (N,) bool
        Which windows belong to the test.

    Attributes
    ----------
    sampled : bool
        Whether there are so many runs that only a share of them is searched.

    Examples
    --------
    >>> stream = np.random.default_rng(0).normal(size=(3, 256))
    >>> windows = np.stack([stream[:, :128], stream[:, 96:224], stream[:, :128]])
    >>> copies = Copies(windows, np.array([False, True, True]))
    >>> copies.duplicates().test.tolist(), copies.duplicates().other.tolist()
    ([2], [0])
    >>> (_, pairs), *_ = copies.overlaps()[0]
    >>> pairs.test.tolist(), pairs.other.tolist(), pairs.shift.tolist()
    ([1], [0], [96])
    """

    def __init__(self, windows: np.ndarray, tested: np.ndarray) -> None:
        self.windows = windows
        self.tested = tested
        self.sampled = _sampling_interval(windows.shape) > 1
        self._keys, self._runs = _hash_windows(windows)
        self._rarity = _measure_rarity(windows)

    def duplicates(self) -> Pairs:
        """Test windows that are equal to a whole window of the other side."""
        # Without a run that occurs once, a window only repeats something short: no evidence.
        distinct = np.unique(self._runs.window)
        test, other = _nearest_matches(self._keys[distinct], distinct, self.tested)
        pairs = Pairs(distinct[test], distinct[other], np.zeros(len(test), int))
        return _confirmed(self.windows, pairs, self._rarity)

    def overlaps(self) -> tuple[list[tuple[slice, Pairs]], bool]:
        """Test windows that share some samples with others, and whether there may be more.

        Pairs are those of all channels, and those of each half of the channels.
        """
        _, n_channels, n_samples = self.windows.shape
        pairs, unsure = [], []
        for channels in _channel_groups(n_channels):
            of_group = self.windows[:, channels]
            whole = channels == slice(0, n_channels)
            keys, runs = (self._keys, self._runs) if whole else _hash_windows(of_group)
            rarity = self._rarity if whole else _measure_rarity(of_group)
            candidates, left_out = _overlap_candidates(n_samples, keys, runs, self)
            pairs.append((channels, _confirmed(of_group, candidates, rarity)))
            unsure.append(left_out)
        found = np.concatenate([of_group.test for _, of_group in pairs])
        return pairs, self.sampled or len(np.setdiff1d(np.concatenate(unsure), found)) > 0

    def is_duplicate(self, pairs: Pairs) -> np.ndarray:
        """Which pairs are two equal windows, by their keys."""
        return (pairs.shift == 0) & (self._keys[pairs.test] == self._keys[pairs.other])


def _channel_groups(n_channels: int) -> list[slice]:
    """All channels, and each half of them."""
    half = n_channels // 2
    halves = [slice(0, half), slice(half, n_channels)] if half else []
    return [slice(0, n_channels), *halves]


def visible_samples(windows: np.ndarray) -> int:
    """Fewest samples with enough evidence in half of the windows (N, C, T); T + 1 if none have."""
    bits = _bits(subset(windows), _measure_rarity(windows))
    fewest = (np.cumsum(bits, axis=1) < _required_bits(windows.shape)).sum(1) + 2
    return max(RUN, int(np.median(fewest)))


def blocks(windows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of windows that fit into memory, in native byte order, and where each begins."""
    size = max(1, CHUNK // (windows.shape[1] * windows.shape[2]))
    for first in range(0, len(windows), size):
        block = windows[first : first + size]
        yield first, block.astype(block.dtype.newbyteorder("="))


def subset(windows: np.ndarray) -> np.ndarray:
    """Every k-th window, as many as fit into memory, in double precision."""
    return windows[:: -(-windows.size // CHUNK)].astype(np.float64)


# Hashing


def _hash_windows(windows: np.ndarray) -> tuple[np.ndarray, Runs]:
    """Key (N,) of each window, and the runs by which copies of a piece of it can be found."""
    interval = np.uint64(_sampling_interval(windows.shape))
    window_keys, runs = [], []
    for first, block in blocks(windows):
        samples = _sample_keys(block)
        window_keys.append(_run_keys(samples, windows.shape[2])[:, 0])
        keys = _run_keys(samples, RUN)
        # Sampled by content: a run is kept in all windows or in none, so its copies still meet.
        # A run that its window repeats, as in a constant stretch, tells no shift: it is dropped.
        window, offset = np.nonzero((keys % interval == 0) & ~_repeated(keys))
        runs.append(Runs(keys[window, offset], window + first, offset))
    return np.concatenate(window_keys), Runs(*map(np.concatenate, zip(*runs, strict=True)))


def _sampling_interval(shape: tuple[int, ...]) -> int:
    """Of how many runs one is kept, so that `MAX_RUNS` remain."""
    return -(-shape[0] * (shape[2] - RUN + 1) // MAX_RUNS)


def _sample_keys(values: np.ndarray) -> np.ndarray:
    """A 64-bit key (n, T) of each sample of (n, C, T), all channels at once."""
    bits = (values + 0.0).view(f"u{values.dtype.itemsize}")  # + 0.0 turns -0.0 into 0.0
    keys = np.zeros((values.shape[0], values.shape[2]), np.uint64)
    for channel in range(values.shape[1]):
        # A few vector operations for each value; a cryptographic hash would be a call for each run.
        # Nothing depends on it: whatever collides is compared in full.
        keys = splitmix64(keys + bits[:, channel].astype(np.uint64))
    return keys


def _run_keys(samples: np.ndarray, length: int) -> np.ndarray:
    """Key of the `length` samples, in their order, from each sample on."""
    n_runs = samples.shape[1] - length + 1
    keys = np.zeros((len(samples), n_runs), np.uint64)
    for offset in range(length):
        keys = splitmix64(keys + samples[:, offset : offset + n_runs])
    return keys


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Which keys occur more than once in their row."""
    order = np.argsort(keys, axis=1)
    ordered = np.take_along_axis(keys, order, 1)
    equal = np.pad(ordered[:, 1:] == ordered[:, :-1], ((0, 0), (1, 1)))
    repeated = np.empty(keys.shape, bool)
    np.put_along_axis(repeated, order, equal[:, 1:] | equal[:, :-1], 1)
    return repeated


# Candidates


def _overlap_candidates(
    n_samples: int, keys: np.ndarray, runs: Runs, copies: Copies
) -> tuple[Pairs, np.ndarray]:
    """For each test window, the pairs and shifts that most of its runs vote for.

    Also the test windows that may have others: more pairs than are compared, or a copy that hides
    its neighbours, since each run only meets its nearest match.
    """
    runs = _without_common(runs, keys, most=n_samples - RUN + 1)
    test, other = _nearest_matches(runs.keys, runs.window, copies.tested)
    shift = runs.offset[other] - runs.offset[test]
    pairs = Pairs(runs.window[test], runs.window[other], shift)
    duplicate = copies.is_duplicate(pairs)
    # One integer for each (test, other, shift): np.unique then counts the votes.
    sizes = len(keys), len(keys), 2 * n_samples
    votes = np.ravel_multi_index((pairs.test, pairs.other, shift + n_samples), sizes)[~duplicate]
    candidate, n_votes = np.unique(votes, return_counts=True)
    of_test, of_other, of_shift = np.unravel_index(candidate, sizes)
    order = np.lexsort([-n_votes, of_test])
    rank = np.arange(len(order)) - np.searchsorted(of_test, of_test)
    best, rest = order[rank < N_PAIRS], order[rank >= N_PAIRS]
    candidates = Pairs(of_test[best], of_other[best], of_shift[best] - n_samples)
    return candidates, np.concatenate([of_test[rest], pairs.test[duplicate]])


def _without_common(runs: Runs, window_keys: np.ndarray, most: int) -> Runs:
    """Runs that at most `most` different windows have.

    Of one stream, no more than that can overlap: what more windows have is a pattern that repeats,
    such as a beep. Equal windows count once, so that copies do not hide a leak.
    """
    is_first = np.zeros(len(window_keys), bool)
    is_first[np.unique(window_keys, return_index=True)[1]] = True
    _, group = np.unique(runs.keys, return_inverse=True)
    n_windows = np.bincount(group, is_first[runs.window])
    return Runs(*(values[n_windows[group] <= most] for values in runs))


def _nearest_matches(
    keys: np.ndarray, window: np.ndarray, tested: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Entries of test windows, and the nearest entries of others before and after with equal keys.

    Two for each entry rather than all: a key that n windows share would give n² pairs. Windows of
    one stream lie next to each other, so the nearest are those that overlap.
    """
    order = np.lexsort([window, keys])
    keys, is_test = keys[order], tested[window[order]]
    position = np.arange(len(order))
    before = np.maximum.accumulate(np.where(is_test, -1, position))
    after = np.minimum.accumulate(np.where(is_test, len(order), position)[::-1])[::-1]
    test = np.tile(position[is_test], 2)
    other = np.concatenate([before[is_test], after[is_test]])
    exists = (other >= 0) & (other < len(order))
    test, other = test[exists], other[exists]
    same = keys[test] == keys[other]
    return order[test[same]], order[other[same]]


# Evidence


def _confirmed(windows: np.ndarray, pairs: Pairs, rarity: Rarity) -> Pairs:
    """The pairs that are equal in most samples they share, and too rare for chance."""
    _, n_channels, n_samples = windows.shape
    required = _required_bits(windows.shape)
    confirmed = np.zeros(len(pairs.test), bool)
    size = max(1, CHUNK // (n_channels * n_samples))
    for first in range(0, len(confirmed), size):
        test, other, shift = (values[first : first + size] for values in pairs)
        position = np.arange(n_samples) + shift[:, None]
        shared = (position >= 0) & (position < n_samples)
        ours = windows[test]
        theirs = np.take_along_axis(
            windows[other], np.clip(position, 0, n_samples - 1)[:, None], axis=2
        )
        equal = (ours == theirs).all(1) & shared
        # To say which samples were altered is to choose one of T for each.
        n_altered = (shared & ~equal).sum(1)
        evidence = -n_altered * np.log2(n_samples)
        alike = np.flatnonzero(n_altered < equal.sum(1))
        shared_changes = equal[alike, 1:] & equal[alike, :-1]
        evidence[alike] += (_bits(ours[alike].astype(np.float64), rarity) * shared_changes).sum(1)
        confirmed[first : first + size] = evidence >= required
    return Pairs(*(values[confirmed] for values in pairs))


def _required_bits(shape: tuple[int, ...]) -> float:
    """Bits from which an equal stretch is no coincidence: N² T pairs and shifts could be equal."""
    return float(np.log2(shape[0] ** 2 * shape[2])) + SURE_BITS


def _measure_rarity(windows: np.ndarray) -> Rarity:
    """How rare each change is, from a subset of the windows."""
    values = subset(windows)
    size = np.abs(values).mean((0, 2))
    grain = np.where(size > 0, size * RESOLUTION, 1)[:, None]
    keys, counts = np.unique(_sample_keys(_changes(values, grain)), return_counts=True)
    # One is added to each count, so that a change that was not counted has finitely many bits.
    return Rarity(grain, keys, np.log2(counts.sum() + 1) - np.log2(np.append(counts, 0) + 1))


def _changes(values: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """Differences (n, C, T - 1) between consecutive samples, in whole grains."""
    return np.round(np.diff(values) / grain)


def _bits(values: np.ndarray, rarity: Rarity) -> np.ndarray:
    """Bits (n, T - 1) of each change; 0 where nothing changes, as rest is equal everywhere."""
    changes = _changes(values, rarity.grain)
    keys = _sample_keys(changes)
    index = np.searchsorted(rarity.keys[:-1], keys)
    counted = rarity.keys[index] == keys
    return rarity.bits[np.where(counted, index, -1)] * (changes != 0).any(1)
