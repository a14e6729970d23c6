"""Subjects in, splits into training, validation and test out: the protocols of a suite.

Most divide subjects. Those that divide windows, as other people's evaluations do, draw the windows
into parts, and the split names the parts.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np

from tsclr.data.splits import Split, split_subjects

N_PARTS = 20
"""Parts into which windows are drawn where subjects do not count."""


@dataclass(frozen=True, kw_only=True)
class Protocol(ABC):
    """Base of the protocols: which subjects are held out, once or in turns.

    Parameters
    ----------
    validation : float
        Share of the subjects left that every choice is made on.
    seed : int
        Seed of every draw.
    max_folds : int, optional
        Only the first so many folds, where all would take too long.
    datasets : list of str, optional
        Only these datasets of the suite.

    Attributes
    ----------
    by_subject : bool
        Whether it divides subjects, and not windows.
    leaky : bool
        Whether windows of one wearer are trained on and tested.
    pooled : bool
        Whether its folds are parts of one test, and not tests of their own.
    """

    validation: float = 0.2
    seed: int = 0
    max_folds: int | None = None
    datasets: list[str] | None = None
    by_subject: ClassVar[bool] = True
    leaky: ClassVar[bool] = False
    pooled: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.max_folds is not None and self.max_folds < 1:
            raise ValueError(f"max_folds is {self.max_folds}, it must be at least 1")

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is called where all of its folds are judged."""

    @property
    def name(self) -> str:
        """What results call it."""
        return f"{self.title}, {self.max_folds} of the folds" if self.max_folds else self.title

    def parts(self, subjects: Sequence[str], official: Sequence[str]) -> np.ndarray | None:
        """What a split names in place of the subject of each window; None where it names that.

        Parameters
        ----------
        subjects : sequence of str
            Of each window.
        official : sequence of str
            Test subjects that the dataset documents.
        """
        return None

    @abstractmethod
    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Test subjects of each fold, by the name of the fold.

        Parameters
        ----------
        subjects : sequence of str
            All of a dataset.
        official : sequence of str
            Test subjects that the dataset documents.
        """

    def splits(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, Split]:
        """Split of each fold, by its name.

        Parameters
        ----------
        subjects : sequence of str
            All of a dataset, or all parts.
        official : sequence of str
            Test subjects that the dataset documents.

        Raises
        ------
        ValueError
            If there are too few subjects, or no such test subject.
        """
        return {
            name: split_subjects(subjects, test, self.validation, self.seed)
            for name, test in islice(self.held_out(subjects, official).items(), self.max_folds)
        }


@dataclass(frozen=True)
class Official(Protocol):
    """The test subjects that the dataset documents, one fold.

    Examples
    --------
    >>> Official().splits(["1", "2", "3", "4"], ["4"])
    {'official': Split(train=('1', '2'), validation=('3',), test=('4',))}
    """

    @property
    def title(self) -> str:
        """What it is called."""
        return "official"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """The documented ones."""
        if not official:
            raise ValueError("no test subjects are documented: take another protocol")
        return {"official": list(official)}


@dataclass(frozen=True)
class GivenSubjects(Protocol):
    """Test subjects by name, one fold: to compare with a paper that had others than the official.

    Parameters
    ----------
    test : list of str
        Their names.

    Examples
    --------
    >>> GivenSubjects(["4"]).splits(["1", "2", "3", "4"], [])
    {'given': Split(train=('1', '2'), validation=('3',), test=('4',))}
    """

    test: list[str]

    @property
    def title(self) -> str:
        """What it is called."""
        return f"test on {' '.join(self.test)}"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Those named."""
        return {"given": self.test}


@dataclass(frozen=True)
class LeaveOneSubjectOut(Protocol):
    """A fold for each subject, who is its test.

    Examples
    --------
    >>> list(LeaveOneSubjectOut().splits(["1", "2", "3"], []))
    ['subject 1', 'subject 2', 'subject 3']
    """

    @property
    def title(self) -> str:
        """What it is called."""
        return "leave one subject out"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Each in turn."""
        return {f"subject {name}": [name] for name in subjects}


@dataclass(frozen=True)
class GroupKFold(Protocol):
    """Subjects drawn into groups of about one size, each the test of a fold.

    Parameters
    ----------
    n_folds : int
        Groups, at least two.

    Raises
    ------
    ValueError
        If there are fewer than two groups; on use, if there are more than subjects.

    Examples
    --------
    >>> splits = GroupKFold(2).splits(["1", "2", "3", "4", "5", "6"], [])
    >>> sorted(name for split in splits.values() for name in split.test)
    ['1', '2', '3', '4', '5', '6']
    """

    n_folds: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_folds < 2:
            raise ValueError(f"n_folds is {self.n_folds}, it must be at least 2")

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.n_folds} folds of subjects"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Each group in turn."""
        if self.n_folds > len(subjects):
            raise ValueError(
                f"{self.n_folds} folds cannot be made of {len(subjects)} "
                f"subject{'s' * (len(subjects) > 1)}: lower n_folds, to 2 at least, or take more "
                "subjects"
            )
        order = np.random.default_rng(self.seed).permutation(sorted(subjects))
        groups = np.array_split(order, self.n_folds)
        return {
            f"group {place} of {self.n_folds}": [str(name) for name in group]
            for place, group in enumerate(groups, 1)
        }


@dataclass(frozen=True)
class LeaveOneDatasetOut(Protocol):
    """A fold for each dataset, whose subjects are its test; all others are learned from.

    Labels are drawn from the other datasets as well, so nothing of the tested one is seen. The
    datasets are put at one rate, with the channels that all have and the classes that all score.
    Each has scores of its own.

    Parameters
    ----------
    same : dict of str to str, optional
        Other names of classes in some datasets, and what they are called here.

    Examples
    --------
    >>> list(LeaveOneDatasetOut().splits(["a/1", "a/2", "b/1", "b/2"], []))
    ['a', 'b']
    """

    same: dict[str, str] | None = None
    pooled: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """What it is called."""
        return "leave one dataset out"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Each dataset in turn; a subject is named after its dataset."""
        groups: dict[str, list[str]] = {}
        for subject in subjects:
            groups.setdefault(subject.partition("/")[0], []).append(subject)
        if len(groups) < 2:
            raise ValueError("leaving one dataset out takes at least two datasets")
        return groups


@dataclass(frozen=True)
class RandomValidation(Protocol):
    """Test subjects as they should be, but validation windows drawn at random from all others.

    Most validation windows share samples with one that is trained on, so choices are made on a
    score that is too high, and towards what does well on people who are known. The test is clean.

    Parameters
    ----------
    test : list of str, optional
        Test subjects; those that the dataset documents by default.

    Examples
    --------
    >>> protocol = RandomValidation()
    >>> parts = protocol.parts(["one"] * 40 + ["two"] * 9, official=["two"])
    >>> (split,) = protocol.splits(sorted(set(parts.tolist())), ["two"]).values()
    >>> split.test, len(split.train), len(split.validation)
    (('two',), 16, 4)
    """

    test: list[str] | None = None
    by_subject: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """What it is called."""
        on = f", test on {' '.join(self.test)}" if self.test else ""
        return f"random validation windows{on}"

    def parts(self, subjects: Sequence[str], official: Sequence[str]) -> np.ndarray:
        """The test subjects, and twenty parts of one size of all other windows."""
        names = np.array(subjects, dtype=object)
        others = np.flatnonzero(~np.isin(names, self.test or list(official)))
        names[others] = drawn_parts(len(others), self.seed)
        return names.astype(str)

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """The test subjects."""
        if not (self.test or official):
            raise ValueError("no test subjects are documented: name them with `test`")
        return {"random validation": list(self.test or official)}


@dataclass(frozen=True)
class RandomWindows(Protocol):
    """Windows divided at random, whoever wore them: what this package never does but to show it.

    Windows of one wearer, and such as overlap, are on both sides, and pretraining sees all streams.
    Scores are flattered, and the audit says that the protocol leaks.

    Parameters
    ----------
    test : float
        Share of the windows that is tested.

    Examples
    --------
    >>> protocol = RandomWindows()
    >>> parts = protocol.parts(["one"] * 100, [])
    >>> protocol.splits(sorted(set(parts.tolist())), [])["random"].test
    ('part 00', 'part 01', 'part 02', 'part 03')
    """

    test: float = 0.2
    by_subject: ClassVar[bool] = False
    leaky: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.test < 1:
            raise ValueError(f"test is {self.test}, it must be a share between 0 and 1")

    @property
    def title(self) -> str:
        """What it is called."""
        return "random windows (leaky)"

    def parts(self, subjects: Sequence[str], official: Sequence[str]) -> np.ndarray:
        """Twenty parts of one size."""
        return drawn_parts(len(subjects), self.seed)

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """The first parts."""
        return {"random": sorted(subjects)[: max(1, round(self.test * len(subjects)))]}


def drawn_parts(n_windows: int, seed: int) -> np.ndarray:
    """The part of each window, drawn so that all parts are of about one size.

    Parameters
    ----------
    n_windows : int
        How many there are.
    seed : int
        Of the draw.

    Examples
    --------
    >>> drawn_parts(3, seed=0)
    array(['part 02', 'part 00', 'part 01'], dtype='<U7')
    """
    order = np.random.default_rng(seed).permutation(n_windows)
    return np.array([f"part {place % N_PARTS:02d}" for place in order])
