"""Who trains and who is tested: splits by subject, label budgets, and a check for leaks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from tsclr.data.windows import Windows
from tsclr.specs import nearest

Budget = int | float | None
"""Labels per class (int), a share of the labels of each class (float), or None for all."""


class LeakError(ValueError):
    """Train and test share a subject, or overlap in time."""


@dataclass(frozen=True)
class Split:
    """Who is where; no subject is in two places.

    Parameters
    ----------
    train, validation, test : tuple of str
        Subjects.

    Raises
    ------
    LeakError
        If a subject is in two of them.

    Examples
    --------
    >>> Split(train=("1", "2"), validation=("3",), test=("3",))
    Traceback (most recent call last):
    tsclr.data.splits.LeakError: subject 3 is in both validation and test: name it once
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            shared = set(getattr(self, one)) & set(getattr(self, other))
            if shared:
                names, several = ", ".join(sorted(shared, key=_natural)), len(shared) > 1
                raise LeakError(
                    f"subject{'s' * several} {names} {'are' if several else 'is'} in both {one} "
                    f"and {other}: name {'each' if several else 'it'} once"
                )


def split_subjects(
    subjects: Sequence[str],
    test: Sequence[str] | float = 0.0,
    validation: Sequence[str] | float = 0.2,
    seed: int = 0,
) -> Split:
    """Divide subjects into training, validation and test.

    Parameters
    ----------
    subjects : sequence of str
        All subjects.
    test : sequence of str or float
        The test subjects, or the share of subjects to draw for it.
    validation : sequence of str or float
        The subjects on which every choice is made, or their share of those that remain, which is
        one at least.
    seed : int
        Seed of the draw.

    Raises
    ------
    ValueError
        If there are too few subjects, or a test or validation subject is unknown.

    Examples
    --------
    >>> split_subjects(["a", "b", "c", "d"], test=["d"], validation=0.3)
    Split(train=('a', 'b'), validation=('c',), test=('d',))
    """
    for name, share in (("validation", validation), ("test", test)):
        if isinstance(share, int | float) and not 0 <= share < 1:
            raise ValueError(f"{name} share {share:g} must be in [0, 1)")
    # Sorted first: the split must not depend on the order in which a dataset is read.
    order = np.random.default_rng(seed).permutation(sorted(set(subjects))).tolist()
    if isinstance(test, int | float):
        # Rounded first: .07 of 100 subjects is 7.000000000000001, which would make 8.
        tested = [str(name) for name in order[: int(np.ceil(round(test * len(order), 9)))]]
    else:
        tested = list(test)
    _check_known("test", tested, order)
    rest = [str(name) for name in order if name not in tested]
    if isinstance(validation, int | float):
        chosen = set(rest[: max(1, round(validation * len(rest)))])
    else:
        _check_known("validation", validation, order)
        chosen = set(validation)
    if not set(rest) - chosen:
        raise ValueError(
            f"{len(rest)} subject{'s' * (len(rest) != 1)} to train on and {len(tested)} to test: "
            "at least two are needed, one of them for validation"
        )
    return Split(
        train=tuple(name for name in sorted(rest, key=_natural) if name not in chosen),
        validation=tuple(sorted(chosen, key=_natural)),
        test=tuple(sorted(tested, key=_natural)),
    )


def _check_known(side: str, names: Sequence[str], subjects: Sequence[str]) -> None:
    """Raise ``ValueError`` unless all names are those of subjects."""
    for name in names:
        if name not in subjects:
            raise ValueError(f"no {side} subject {name!r}: {nearest(name, subjects)}")


def parse_budget(text: str) -> Budget:
    """Read a label budget: ``5`` (labels a class), ``10%`` (of the labels), or ``all`` (``100%``).

    Examples
    --------
    >>> parse_budget("5"), parse_budget("10%"), parse_budget("all")
    (5, 0.1, None)
    """
    word = text.strip().lower()
    try:
        if word in ("all", "100%"):
            return None
        number = float(word[:-1]) / 100 if word.endswith("%") else int(word)
    except ValueError:
        number = -1
    if not number > 0 or (isinstance(number, float) and number >= 1):
        raise ValueError(
            f"budget {text!r}: write a number of labels per class (5), a share (10%) or all"
        )
    return number


def draw_budget(
    labels: Int[np.ndarray, " N"], budget: Budget, classes: Sequence[str], seed: int
) -> Int[np.ndarray, " M"]:
    """Draw the few windows that may keep their labels, evenly over classes.

    Parameters
    ----------
    labels : (N,) int
        Class of each window.
    budget : int, float or None
        Labels per class, the share of each class, or all.
    classes : sequence of str
        Class names.
    seed : int
        Seed of the draw.

    Returns
    -------
    (M,) int
        Ascending index of the windows drawn.

    Raises
    ------
    ValueError
        If a class has fewer windows than the budget, or the budget is not positive.

    Examples
    --------
    >>> draw_budget(np.array([0, 0, 1, 1]), 1, ["walk", "sit"], seed=0).shape
    (2,)
    """
    if budget is not None and not budget > 0:
        raise ValueError(f"budget {budget} must be positive")
    generator = np.random.default_rng(seed)
    drawn = []
    for label, name in enumerate(classes):
        of_class = np.flatnonzero(labels == label)
        count = _count(budget, len(of_class))
        if count > len(of_class):
            raise ValueError(
                f"a budget of {count} labels per class is more than the {len(of_class)} training "
                f"windows of class {name!r}"
            )
        # A whole permutation whatever the count, so draws of one seed are nested across budgets.
        drawn.append(generator.permutation(of_class)[:count])
    return np.sort(np.concatenate(drawn))


def audit(train: Windows, test: Windows) -> None:
    """Raise `LeakError` if two sides share a subject, or windows of them overlap in time.

    Examples
    --------
    >>> from tsclr.data.store import Store
    >>> windows = Windows.sliding(Store.load("synthetic"), 128, 64, subjects=["01"])
    >>> audit(windows.select(np.arange(0, 9, 2)), windows.select(np.arange(1, 9, 2)))
    Traceback (most recent call last):
    tsclr.data.splits.LeakError: train and test share the subjects 01
    """
    shared = set(np.unique(train.subjects)) & set(np.unique(test.subjects))
    if shared:
        raise LeakError(f"train and test share the subjects {', '.join(sorted(shared))}")
    if train.store is test.store and len(train) and len(test):
        # Each side has windows of one length: the nearest start on either side of each decides.
        order = np.sort(test.starts)
        following = np.searchsorted(order, train.starts)
        after = order[np.minimum(following, len(order) - 1)] - train.starts
        before = train.starts - order[np.maximum(following - 1, 0)]
        overlap = ((after >= 0) & (after < train.length)) | ((before > 0) & (before < test.length))
        if overlap.any():
            raise LeakError(f"{overlap.sum()} training windows overlap test windows in time")


def _count(budget: Budget, n_windows: int) -> int:
    """Labels that a class of so many windows gets."""
    if budget is None:
        return n_windows
    if isinstance(budget, int):
        return budget
    return min(n_windows, max(1, round(budget * n_windows)))


def _natural(name: str) -> tuple[int, str]:
    """Sort key that puts 2 before 10."""
    return (int(name), "") if name.isdecimal() else (1 << 62, name)
