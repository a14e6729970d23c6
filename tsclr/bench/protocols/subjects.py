"""Protocols that hold out subjects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsclr.bench.protocols.base import Protocol

__all__ = ["GivenSubjects", "GroupKFold", "LeaveOneDatasetOut", "LeaveOneSubjectOut", "Official"]


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
        """Its name in results."""
        return "official"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """The documented ones."""
        if not official:
            raise ValueError("no test subjects are documented: use another protocol")
        return {"official": list(official)}


@dataclass(frozen=True)
class GivenSubjects(Protocol):
    """Test subjects by name, one fold: for comparisons with a paper that chose its own.

    Parameters
    ----------
    test : list of str
        The test subjects.

    Examples
    --------
    >>> GivenSubjects(["4"]).splits(["1", "2", "3", "4"], [])
    {'given': Split(train=('1', '2'), validation=('3',), test=('4',))}
    """

    test: list[str]

    @property
    def title(self) -> str:
        """Its name in results."""
        return f"test on {' '.join(self.test)}"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Those named."""
        return {"given": self.test}


@dataclass(frozen=True)
class LeaveOneSubjectOut(Protocol):
    """A fold for each subject, who is tested.

    Examples
    --------
    >>> list(LeaveOneSubjectOut().splits(["1", "2", "3"], []))
    ['subject 1', 'subject 2', 'subject 3']
    """

    @property
    def title(self) -> str:
        """Its name in results."""
        return "leave one subject out"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Each in turn."""
        return {f"subject {name}": [name] for name in subjects}


@dataclass(frozen=True)
class GroupKFold(Protocol):
    """Random groups of subjects, of about the same size; each is the test of a fold.

    Parameters
    ----------
    n_folds : int
        Number of groups, at least two.

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
        """Its name in results."""
        return f"{self.n_folds} folds of subjects"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Each group in turn."""
        if self.n_folds > len(subjects):
            raise ValueError(
                f"cannot make {self.n_folds} folds of {len(subjects)} "
                f"subject{'s' * (len(subjects) > 1)}: lower n_folds (at least 2), or add "
                "subjects"
            )
        order = np.random.default_rng(self.seed).permutation(sorted(subjects))
        groups = np.array_split(order, self.n_folds)
        return {
            f"group {number} of {self.n_folds}": [str(name) for name in group]
            for number, group in enumerate(groups, 1)
        }


@dataclass(frozen=True)
class LeaveOneDatasetOut(Protocol):
    """A fold for each dataset, which is tested; the method learns from all other datasets.

    Labels too come from the other datasets, so nothing of the tested one is seen. The datasets are
    resampled to one rate and keep the channels and classes that all have. Each has its own scores.

    Parameters
    ----------
    same : dict of str to str, optional
        Other names of a class in some datasets, and its name here.

    Examples
    --------
    >>> list(LeaveOneDatasetOut().splits(["a/1", "a/2", "b/1", "b/2"], []))
    ['a', 'b']
    """

    same: dict[str, str] | None = None
    pooled: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """Its name in results."""
        return "leave one dataset out"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Each dataset in turn; a subject is named after its dataset."""
        groups: dict[str, list[str]] = {}
        for subject in subjects:
            groups.setdefault(subject.partition("/")[0], []).append(subject)
        if len(groups) < 2:
            raise ValueError("leaving one dataset out takes at least two datasets")
        return groups
