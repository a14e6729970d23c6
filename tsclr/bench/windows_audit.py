"""Windows, their subjects and a split by somebody else in, the leaks found in their content out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
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

SPLITS = ("train", "validation", "test")

CLOSE = 0.01
"""Moments this near to 0 and 1 are taken for those of a normalisation."""

SWAP_ADVICE = "pass windows.transpose(0, 2, 1)"
MASK_ADVICE = "of a mask that is true for the test, use np.where(mask, 'test', 'train')"


@dataclass(frozen=True)
class Finding:
    """What is wrong with a split that somebody else made.

    Parameters
    ----------
    kind : str
        ``subject``, ``overlap``, ``duplicate`` or ``normalisation``.
    detail : str
        How much, and an example.
    suspicion : bool
        Whether it may have an innocent reason.
    """

    kind: str
    detail: str
    suspicion: bool = False

    def __str__(self) -> str:
        return f"{self.kind}{' (suspicion)' * self.suspicion}: {self.detail}"


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


def load_windows(
    windows: Path, subjects: Path, split: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Map the three arrays of `audit_windows` from ``.npy`` files; nothing in them is run.

    Parameters
    ----------
    windows, subjects, split : Path
        Files that ``numpy.save`` wrote.

    Raises
    ------
    ValueError
        If a file is missing, damaged, or holds Python objects.
    """
    return _load(windows), _load(subjects), _load(split)


def audit_windows(windows: np.ndarray, subjects: np.ndarray, split: np.ndarray) -> list[Finding]:
    """Look for leaks in a split of windows of which nothing but their content is known.

    * Subjects on both sides.
    * Test windows that are also on the other side, whole (duplicates) or in part (overlap):
      `RUN` time steps of all channels are hashed at every offset of every window; what both sides
      have says which pair to compare, and at which shift. Runs do not count that a window has
      twice, as in a constant stretch, or that more different windows have than can overlap. A pair
      counts if it is equal wherever the two lie upon each other and that part is too rare to be
      equal by chance: a step from a sample to the next, all channels at once, that is a share p of
      all steps has −log₂ p bits, none if nothing changes. Of N windows of T samples the best pair
      has log₂(N² T) bits by chance; `SURE_BITS` more are asked for. So a few samples of finely
      resolved noise are enough, while rest, padding and coarse values need long stretches.
    * Moments that are 0 and 1 over all windows but not over those trained on (a suspicion).

    Windows that were normalised or padded one by one do not agree where they overlap, so that is
    not found; how long another overlap must be says `visible_overlap`. Counts are lower bounds
    ("at least") where not all runs or pairs were looked at. What a simulation or a device repeats
    bit for bit, after more than a window and with nothing else changing beside it, is taken for
    overlap.

    Parameters
    ----------
    windows : (N, C, T) float
        May be mapped; it is read in parts.
    subjects : (N,) int or str
        Who wore the device.
    split : (N,) str
        ``train``, ``validation`` or ``test``.

    Raises
    ------
    ValueError
        If an array has another shape or kind of values, or a value is not finite.

    Examples
    --------
    >>> stream = np.random.default_rng(0).normal(size=(3, 64 * 21))
    >>> windows = np.stack([stream[:, start : start + 128] for start in range(0, 64 * 20, 64)])
    >>> split = np.where(np.arange(20) < 15, "train", "test")
    >>> for finding in audit_windows(windows, np.arange(20) // 15, split):
    ...     print(finding)
    overlap: 1 of 5 test windows share samples with train, for example test window 15 from
    sample 0 and window 14 from sample 64, 64 samples
    """
    _check_arrays(windows, subjects, split)
    tested = split == "test"
    whole, runs = _hashed(windows)
    chances = _count_steps(windows)
    checks = (
        _find_shared(subjects, split),
        _find_duplicates(windows, split, _whole_pairs(whole, runs, tested), chances),
        _find_overlap(windows, split, whole, runs, chances),
        _find_normalisation(windows, tested),
    )
    return [finding for found in checks for finding in found]


def visible_overlap(windows: np.ndarray) -> int:
    """Fewest samples that two windows must share for `audit_windows` to see it.

    That many hold the evidence it asks for in half of the windows; where little changes it takes
    more. Of over `MAX_RUNS` runs a share is looked at, so overlap this short is seen in some of
    the windows.

    Parameters
    ----------
    windows : (N, C, T) float
        May be mapped; a share of it is read.

    Returns
    -------
    int
        From `RUN` to T samples, or T + 1 if no overlap is seen.

    Raises
    ------
    ValueError
        If the windows have another shape or kind of values.

    Examples
    --------
    >>> windows = np.random.default_rng(0).normal(size=(200, 1, 64))
    >>> visible_overlap(windows), visible_overlap(np.round(windows)), visible_overlap(0 * windows)
    (8, 31, 65)
    """
    _check_shape(windows)
    bits = _bits(_share(windows), _count_steps(windows))
    fewest = (np.cumsum(bits, axis=1) < _needed(windows.shape)).sum(1) + 2
    return max(RUN, int(np.median(fewest)))


def _load(path: Path) -> np.ndarray:
    """Map one ``.npy`` file."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}: write it with numpy.save")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, ArithmeticError, TypeError, SyntaxError) as error:
        raise ValueError(
            f"{path} is damaged, or no .npy file of plain numbers or words: {error}"
        ) from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is an archive of arrays: write each with numpy.save")
    return array


def _check_arrays(windows: np.ndarray, subjects: np.ndarray, split: np.ndarray) -> None:
    """Raise ``ValueError`` unless the three arrays can be audited."""
    _check_shape(windows)
    _check_words("subjects", subjects, "iuU", "whole numbers or words: use .astype(str)", windows)
    _check_words("split", split, "U", f"words: {_split_advice(split)}", windows)
    found = np.unique(split).tolist()
    if not {"train", "test"} <= set(found) <= set(SPLITS):
        raise ValueError(
            f"split holds {', '.join(map(repr, found[:10]))}: it must have 'train' and 'test', and "
            f"may have 'validation'; {MASK_ADVICE}"
        )
    _check_finite(windows)
    _check_orientation(windows)


def _check_words(
    name: str, values: np.ndarray, kinds: str, allowed: str, windows: np.ndarray
) -> None:
    if values.dtype.kind not in kinds:
        raise ValueError(f"{name} are {values.dtype}, allowed are {allowed}")
    if values.shape != (len(windows),):
        raise ValueError(
            f"{name} have shape {values.shape}, expected ({len(windows)},): one a window"
        )


def _split_advice(split: np.ndarray) -> str:
    return "use .astype(str)" if split.dtype.kind in "SO" else MASK_ADVICE


def _check_finite(windows: np.ndarray) -> None:
    for first, part in _parts(windows):
        broken = np.flatnonzero(~np.isfinite(part).all((1, 2)))
        if len(broken):
            raise ValueError(
                f"window {first + broken[0]} holds NaN or infinity: fill or leave out such windows"
            )


def _check_shape(windows: np.ndarray) -> None:
    if windows.dtype.kind != "f" or windows.dtype.itemsize > 8:
        raise ValueError(
            f"windows are {windows.dtype}, allowed are float16, float32 and float64: "
            "use .astype('float32')"
        )
    shape = windows.shape
    if len(shape) != 3 or 0 in shape:
        raise ValueError(
            f"windows have shape {shape}, expected (N, C, T) with one or more windows and channels"
        )
    if shape[2] < RUN:
        raise ValueError(
            f"windows of {shape[1]} channels and {shape[2]} samples are too short, {RUN} samples "
            f"are needed: if {shape[1]} is the number of samples, {SWAP_ADVICE}"
        )


def _check_orientation(windows: np.ndarray) -> None:
    """Raise ``ValueError`` if the channels look like samples: many, and each like the next."""
    _, C, T = windows.shape
    if C <= T:
        return
    part = _share(windows)
    along_channels, along_time = (np.abs(np.diff(part, axis=axis)).mean() for axis in (1, 2))
    if along_channels < along_time:
        raise ValueError(
            f"windows have shape {windows.shape}, and values differ by {along_channels:.3g} from "
            f"one of the {C} channels to the next, but by {along_time:.3g} from one of the {T} "
            f"samples to the next: time and channels look swapped, {SWAP_ADVICE}"
        )


def _parts(windows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Number of the first window and the windows of each part that fits into memory."""
    size = max(1, CHUNK // (windows.shape[1] * windows.shape[2]))
    for first in range(0, len(windows), size):
        part = windows[first : first + size]
        yield first, part.astype(part.dtype.newbyteorder("="))


def _share(windows: np.ndarray) -> np.ndarray:
    """Every so many windows, as many as fit into memory, in double precision."""
    return windows[:: -(-windows.size // CHUNK)].astype(np.float64)


def _find_shared(subjects: np.ndarray, split: np.ndarray) -> Iterator[Finding]:
    tested = np.unique(subjects[split == "test"])
    for side in SPLITS[:2]:
        shared = np.intersect1d(tested, subjects[split == side])
        if len(shared):
            names = ", ".join(map(str, shared[:10])) + ", …" * (len(shared) > 10)
            yield Finding(
                "subject", f"{len(shared)} of {len(tested)} test subjects are in {side}: {names}"
            )


def _find_duplicates(
    windows: np.ndarray, split: np.ndarray, pairs: Pairs, chances: Chances
) -> Iterator[Finding]:
    """Test windows that the other side has too, whole."""
    test, other, _ = _agreeing(windows, pairs, chances)
    if len(test):
        yield Finding(
            "duplicate",
            f"{_at_least(_one_in(windows.shape) > 1)}{len(np.unique(test))} of "
            f"{np.sum(split == 'test')} test windows are also in {_sides(split, other)}, for "
            f"example test window {test[0]} as window {other[0]}",
        )


def _find_overlap(
    windows: np.ndarray, split: np.ndarray, whole: np.ndarray, runs: Runs, chances: Chances
) -> Iterator[Finding]:
    """Test windows that the other side has too, in part."""
    T, tested = windows.shape[2], split == "test"
    pairs, limited = _shifted_pairs(T, whole, runs, tested)
    test, other, shift = _agreeing(windows, pairs, chances)
    if len(test):
        bounded = _one_in(windows.shape) > 1 or len(np.setdiff1d(limited, test)) > 0
        longest = np.argmin(abs(shift))
        by = shift[longest]
        yield Finding(
            "overlap",
            f"{_at_least(bounded)}{len(np.unique(test))} of {tested.sum()} test windows share "
            f"samples with {_sides(split, other)}, for example test window {test[longest]} from "
            f"sample {max(0, -by)} and window {other[longest]} from sample {max(0, by)}, "
            f"{T - abs(by)} samples",
        )


def _at_least(bounded: bool) -> str:
    """What stands before a count of which not everything was looked at."""
    return "at least " * bounded


def _find_normalisation(windows: np.ndarray, tested: np.ndarray) -> Iterator[Finding]:
    """Whether somebody took the moments of all windows, test and all."""
    sums = np.zeros((2, 3, windows.shape[1]))
    for first, part in _parts(windows):
        for side in (False, True):
            own = part[tested[first : first + len(part)] == side].astype(np.float64)
            count = np.full(windows.shape[1], own.shape[0] * own.shape[2])
            sums[int(side)] += [count, own.sum((0, 2)), (own**2).sum((0, 2))]
    everything, trained = _moments(sums.sum(0)), _moments(sums[0])
    varies = everything[1] > 0
    off = [np.abs(moments - [[0], [1]])[:, varies] for moments in (everything, trained)]
    if varies.any() and off[0].max() < CLOSE < off[1].max():
        yield Finding(
            "normalisation",
            "the moments of all windows are those of a normalisation, those of the windows that "
            f"are trained on are not: mean {_told(everything[0])} and SD {_told(everything[1])} of "
            f"all, mean {_told(trained[0])} and SD {_told(trained[1])} without the test",
            suspicion=True,
        )


def _moments(sums: np.ndarray) -> np.ndarray:
    """Mean and SD of each channel from count, sum and sum of squares."""
    mean = sums[1] / sums[0]
    return np.stack([mean, np.sqrt(np.maximum(sums[2] / sums[0] - mean**2, 0))])


def _told(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"


def _sides(split: np.ndarray, others: np.ndarray) -> str:
    return " and ".join(side for side in SPLITS if side in split[others])


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
    for first, part in _parts(windows):
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
    part = _share(windows)
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
