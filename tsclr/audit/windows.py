"""Windows, subjects and the split of any pipeline in, the leaks found in their content out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tsclr.audit.copies import RUN, Copies, blocks, subset, visible_samples
from tsclr.audit.scaling import scalings

SPLITS = ("train", "validation", "test")

SWAP_ADVICE = "pass windows.transpose(0, 2, 1)"
MASK_ADVICE = "for a mask that is true for the test, use np.where(mask, 'test', 'train')"


@dataclass(frozen=True)
class Finding:
    """A leak in a split, or the suspicion of one.

    Parameters
    ----------
    kind : str
        ``subject``, ``overlap``, ``duplicate`` or ``normalisation``.
    detail : str
        How many windows or subjects, with an example.
    suspicion : bool
        Whether there may be an innocent reason.
    """

    kind: str
    detail: str
    suspicion: bool = False

    def __str__(self) -> str:
        return f"{self.kind}{' (suspicion)' * self.suspicion}: {self.detail}"


def load_windows(
    windows: Path, subjects: Path, split: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Memory-map the three arrays of `audit_windows` from ``.npy`` files, without unpickling.

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
    """Look for leaks in a split of windows of which only the content is known.

    * *subject*: a test subject is also in training or validation.
    * *duplicate*, *overlap*: a test window is also on the other side, whole or in part. Runs of
      `RUN` samples of all channels are hashed at every offset of every window; runs that both sides
      have say which pairs to compare, and at which shift. A run does not count if its window has it
      twice, as in a constant stretch, or if more different windows have it than can overlap. A pair
      counts if most samples that it shares are equal and the changes between them are too rare for
      chance: a change from one sample to the next, all channels at once, that makes up a share p of
      all changes has −log₂ p bits, and none if nothing changes. Each sample that is not equal takes
      off log₂ T bits, which is what it costs to say which one was altered. Of N windows of T
      samples the best pair has log₂(N² T) bits by chance; `SURE_BITS` more are required. So a few
      samples of finely resolved noise are enough, while rest, padding and coarse values need long
      stretches. The same is done with each half of the channels, so that a copy is found whose
      other half was blanked or replaced.
    * *normalisation* (a suspicion): means are 0 and standard deviations 1, or extremes 0 (or −1)
      and 1, over all windows, but not over those outside the test.

    What was changed in every value is not found: noise, a factor, a rotation, another rate, windows
    normalised one by one. Nor are copies with channels changed in both halves, or with less than
    half of their samples equal. `visible_overlap` says how long an overlap must be. Counts are
    lower bounds ("at least") where not all runs or pairs were compared. A pattern that a simulation
    or a device repeats bit for bit is taken for overlap if nothing else changes beside it and if it
    returns only after more than a window.

    Parameters
    ----------
    windows : (N, C, T) float
        May be memory-mapped; read block by block.
    subjects : (N,) int or str
        Who wore the device in each window.
    split : (N,) str
        ``train``, ``validation`` or ``test``.

    Raises
    ------
    ValueError
        If an array has another shape or data type, or a value is not finite.

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
        _find_subjects(subjects, split),
        _find_duplicates(copies, split),
        _find_overlap(copies, split),
        (Finding("normalisation", text, suspicion=True) for text in scalings(windows, tested)),
    )
    return [finding for findings in checks for finding in findings]


def visible_overlap(windows: np.ndarray) -> int:
    """Fewest samples that two windows must share for `audit_windows` to find it.

    In half of the windows, that many samples hold enough evidence; where little changes, more are
    needed. Where there are more than `MAX_RUNS` runs, only a share of them is compared, so overlap
    this short is found in some of the windows.

    Parameters
    ----------
    windows : (N, C, T) float
        May be memory-mapped; a subset is read.

    Returns
    -------
    int
        From `RUN` to T samples, or T + 1 if no overlap can be found.

    Raises
    ------
    ValueError
        If the windows have another shape or data type.

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
        if "Array can't be memory-mapped: Python objects" in str(error):
            raise ValueError(
                f"{path} holds Python objects: save subjects and split as array.astype(str), "
                "windows as array.astype('float32')"
            ) from error
        raise ValueError(
            f"{path} is damaged, or not a .npy file of plain numbers or strings: {error}"
        ) from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is an archive of arrays: write each array with numpy.save")
    return array


def _check_arrays(windows: np.ndarray, subjects: np.ndarray, split: np.ndarray) -> None:
    """Raise ``ValueError`` unless the three arrays can be audited."""
    _check_shape(windows)
    n_windows = len(windows)
    _check_names("subjects", subjects, "iuU", "integers or strings: use .astype(str)", n_windows)
    _check_names("split", split, "U", f"strings: {_split_advice(split)}", n_windows)
    names = np.unique(split).tolist()
    if not {"train", "test"} <= set(names) <= set(SPLITS):
        raise ValueError(
            f"split holds {', '.join(map(repr, names[:10]))}: it must have 'train' and 'test', and "
            f"may have 'validation'; {MASK_ADVICE}"
        )
    _check_finite(windows)
    _check_orientation(windows)


def _check_names(
    argument: str, values: np.ndarray, kinds: str, allowed: str, n_windows: int
) -> None:
    """Raise ``ValueError`` unless there is one value per window, of an allowed data type."""
    if values.dtype.kind not in kinds:
        raise ValueError(f"{argument} has type {values.dtype}, allowed are {allowed}")
    if values.shape != (n_windows,):
        raise ValueError(
            f"{argument} has shape {values.shape}, expected ({n_windows},): one per window"
        )


def _split_advice(split: np.ndarray) -> str:
    """How to make strings of a split that holds something else."""
    return "use .astype(str)" if split.dtype.kind in "SO" else MASK_ADVICE


def _check_finite(windows: np.ndarray) -> None:
    """Raise ``ValueError`` at the first window with NaN or infinity."""
    for first, block in blocks(windows):
        broken = np.flatnonzero(~np.isfinite(block).all((1, 2)))
        if len(broken):
            raise ValueError(
                f"window {first + broken[0]} holds NaN or infinity: fill or drop such windows"
            )


def _check_shape(windows: np.ndarray) -> None:
    """Raise ``ValueError`` unless the windows are (N, C, T) floats with T of a run or more."""
    if windows.dtype.kind != "f" or windows.dtype.itemsize > 8:
        raise ValueError(
            f"windows has type {windows.dtype}, allowed are float16, float32 and float64: "
            "use .astype('float32')"
        )
    shape = windows.shape
    if len(shape) != 3 or 0 in shape:
        raise ValueError(
            f"windows has shape {shape}, expected (N, C, T) with at least one window and channel"
        )
    if shape[2] < RUN:
        raise ValueError(
            f"windows of {shape[1]} channels and {shape[2]} samples are too short, at least {RUN} "
            f"samples are needed: if {shape[1]} is the number of samples, {SWAP_ADVICE}"
        )


def _check_orientation(windows: np.ndarray) -> None:
    """Raise ``ValueError`` if the channels look like samples: many, and each like the next."""
    _, C, T = windows.shape
    if C <= T:
        return
    values = subset(windows)
    along_channels, along_time = (np.abs(np.diff(values, axis=axis)).mean() for axis in (1, 2))
    if along_channels < along_time:
        raise ValueError(
            f"windows has shape {windows.shape}, and values differ by {along_channels:.3g} between "
            f"neighbours of the {C} channels, but by {along_time:.3g} between neighbours of the "
            f"{T} samples: time and channels look swapped, {SWAP_ADVICE}"
        )


def _find_subjects(subjects: np.ndarray, split: np.ndarray) -> Iterator[Finding]:
    """Test subjects that are also in training or validation."""
    tested = np.unique(subjects[split == "test"])
    for side in SPLITS[:2]:
        shared = np.intersect1d(tested, subjects[split == side])
        if len(shared):
            names = ", ".join(map(str, shared[:10])) + ", …" * (len(shared) > 10)
            yield Finding(
                "subject", f"{len(shared)} of {len(tested)} test subjects are in {side}: {names}"
            )


def _find_duplicates(copies: Copies, split: np.ndarray) -> Iterator[Finding]:
    """Test windows that are equal to a window of the other side."""
    test, other, _ = copies.duplicates()
    if len(test):
        yield Finding(
            "duplicate",
            f"{_at_least(copies.sampled)}{len(np.unique(test))} of {copies.tested.sum()} test "
            f"windows are also in {_sides(split, other)}, for example test window {test[0]} as "
            f"window {other[0]}",
        )


def _find_overlap(copies: Copies, split: np.ndarray) -> Iterator[Finding]:
    """Test windows that share some samples with a window of the other side."""
    groups, bounded = copies.overlaps()
    found = [(channels, pairs) for channels, pairs in groups if len(pairs.test)]
    if found:
        channels, (test, other, shifts) = found[0]
        longest = np.argmin(abs(shifts))
        shift, (_, n_channels, n_samples) = shifts[longest], copies.windows.shape
        n_tested = len(np.unique(np.concatenate([pairs.test for _, pairs in found])))
        others = np.concatenate([pairs.other for _, pairs in found])
        whole = channels == slice(0, n_channels)
        where = "" if whole else f" of channels {channels.start} to {channels.stop - 1}"
        yield Finding(
            "overlap",
            f"{_at_least(bounded)}{n_tested} of {copies.tested.sum()} test windows share samples "
            f"with {_sides(split, others)}, for example test window {test[longest]} from sample "
            f"{max(0, -shift)} and window {other[longest]} from sample {max(0, shift)}, "
            f"{n_samples - abs(shift)} samples{where}",
        )


def _at_least(bounded: bool) -> str:
    """Marks a count as a lower bound, where not everything was compared."""
    return "at least " * bounded


def _sides(split: np.ndarray, others: np.ndarray) -> str:
    """The sides of the split that these windows are on."""
    return " and ".join(side for side in SPLITS if side in split[others])
