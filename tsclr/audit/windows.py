"""Windows, their subjects and a split by somebody else in, the leaks found in their content out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tsclr.audit.copies import RUN, Copies, in_parts, share_of, visible_samples

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
    copies = Copies(windows, tested)
    checks = (
        _find_shared(subjects, split),
        _find_duplicates(copies, split),
        _find_overlap(copies, split),
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
    return visible_samples(windows)


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
    for first, part in in_parts(windows):
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
    part = share_of(windows)
    along_channels, along_time = (np.abs(np.diff(part, axis=axis)).mean() for axis in (1, 2))
    if along_channels < along_time:
        raise ValueError(
            f"windows have shape {windows.shape}, and values differ by {along_channels:.3g} from "
            f"one of the {C} channels to the next, but by {along_time:.3g} from one of the {T} "
            f"samples to the next: time and channels look swapped, {SWAP_ADVICE}"
        )


def _find_shared(subjects: np.ndarray, split: np.ndarray) -> Iterator[Finding]:
    tested = np.unique(subjects[split == "test"])
    for side in SPLITS[:2]:
        shared = np.intersect1d(tested, subjects[split == side])
        if len(shared):
            names = ", ".join(map(str, shared[:10])) + ", …" * (len(shared) > 10)
            yield Finding(
                "subject", f"{len(shared)} of {len(tested)} test subjects are in {side}: {names}"
            )


def _find_duplicates(copies: Copies, split: np.ndarray) -> Iterator[Finding]:
    """Test windows that the other side has too, whole."""
    test, other, _ = copies.whole()
    if len(test):
        yield Finding(
            "duplicate",
            f"{_at_least(copies.sampled)}{len(np.unique(test))} of {copies.tested.sum()} test "
            f"windows are also in {_sides(split, other)}, for example test window {test[0]} as "
            f"window {other[0]}",
        )


def _find_overlap(copies: Copies, split: np.ndarray) -> Iterator[Finding]:
    """Test windows that the other side has too, in part."""
    (test, other, shift), bounded = copies.in_part()
    if len(test):
        longest = np.argmin(abs(shift))
        by = shift[longest]
        yield Finding(
            "overlap",
            f"{_at_least(bounded)}{len(np.unique(test))} of {copies.tested.sum()} test windows "
            f"share samples with {_sides(split, other)}, for example test window {test[longest]} "
            f"from sample {max(0, -by)} and window {other[longest]} from sample {max(0, by)}, "
            f"{copies.windows.shape[2] - abs(by)} samples",
        )


def _at_least(bounded: bool) -> str:
    """What stands before a count of which not everything was looked at."""
    return "at least " * bounded


def _find_normalisation(windows: np.ndarray, tested: np.ndarray) -> Iterator[Finding]:
    """Whether somebody took the moments of all windows, test and all."""
    sums = np.zeros((2, 3, windows.shape[1]))
    for first, part in in_parts(windows):
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
