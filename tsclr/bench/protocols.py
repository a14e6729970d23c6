"""Subjects in, splits into training, validation and test out: the protocols of a suite."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from tsclr.splits import Split, split_subjects

N_PARTS = 20
"""Parts into which windows are drawn where subjects do not count."""


class Protocol(ABC):
    """Base of the protocols: which subjects are held out, once or in turns.

    Parameters
    ----------
    validation : float
        Share of the subjects left that every choice is made on.
    seed : int
        Seed of the draw of subjects.

    Attributes
    ----------
    name : str
        What results call it.
    """

    def __init__(self, validation: float = 0.2, seed: int = 0) -> None:
        self.validation = validation
        self.seed = seed

    name: str

    def groups(self, subjects: Sequence[str]) -> np.ndarray | None:  # noqa: ARG002
        """What the split divides in place of subjects; None where it divides those.

        Parameters
        ----------
        subjects : sequence of str
            Of each window.
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
            All of a dataset.
        official : sequence of str
            Test subjects that the dataset documents.

        Raises
        ------
        ValueError
            If there are too few subjects.
        """
        return {
            name: split_subjects(subjects, test, self.validation, self.seed)
            for name, test in self.held_out(subjects, official).items()
        }


class Official(Protocol):
    """The test subjects that the dataset documents, one fold.

    Parameters
    ----------
    validation : float
        Share of the subjects left that every choice is made on.
    seed : int
        Seed of the draw of validation subjects.

    Examples
    --------
    >>> Official().splits(["1", "2", "3", "4"], ["4"])
    {'official': Split(train=('1', '2'), validation=('3',), test=('4',))}
    """

    name = "official"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:  # noqa: ARG002
        """The documented ones."""
        if not official:
            raise ValueError("no test subjects are documented: take another protocol")
        return {"official": list(official)}


class LeaveOneSubjectOut(Protocol):
    """A fold for each subject, who is its test.

    Parameters
    ----------
    validation : float
        Share of the subjects left that every choice is made on.
    seed : int
        Seed of the draw of validation subjects.

    Examples
    --------
    >>> list(LeaveOneSubjectOut().splits(["1", "2", "3"], []))
    ['subject 1', 'subject 2', 'subject 3']
    """

    name = "leave one subject out"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:  # noqa: ARG002
        """Each in turn."""
        return {f"subject {name}": [name] for name in subjects}


class GroupKFold(Protocol):
    """Subjects drawn into groups of about one size, each the test of a fold.

    Parameters
    ----------
    n_folds : int
        Groups, at least two.
    validation : float
        Share of the subjects left that every choice is made on.
    seed : int
        Seed of the draw of groups and of validation subjects.

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

    def __init__(self, n_folds: int = 5, validation: float = 0.2, seed: int = 0) -> None:
        super().__init__(validation, seed)
        if n_folds < 2:
            raise ValueError(f"n_folds is {n_folds}, it must be at least 2")
        self.n_folds = n_folds
        self.name = f"{n_folds} folds of subjects"

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:  # noqa: ARG002
        """Each group in turn."""
        if self.n_folds > len(subjects):
            raise ValueError(
                f"{self.n_folds} folds cannot be made of {len(subjects)} "
                f"subject{'s' * (len(subjects) > 1)}: lower n_folds, or take more subjects"
            )
        order = np.random.default_rng(self.seed).permutation(sorted(subjects))
        groups = np.array_split(order, self.n_folds)
        return {
            f"group {place} of {self.n_folds}": [str(name) for name in group]
            for place, group in enumerate(groups, 1)
        }


class LeaveOneDatasetOut(Protocol):
    """A fold for each dataset, whose subjects are its test; all others are learned from.

    Labels are drawn from the other datasets as well, so nothing of the tested one is seen. The
    datasets of the suite are put at one rate, with the channels that all have and the classes that
    all score.

    Parameters
    ----------
    same : dict of str to str, optional
        Other names of classes in some datasets, and what they are called here.
    validation : float
        Share of the subjects left that every choice is made on.
    seed : int
        Seed of the draw of validation subjects.

    Examples
    --------
    >>> list(LeaveOneDatasetOut().splits(["a/1", "a/2", "b/1", "b/2"], []))
    ['a', 'b']
    """

    name = "leave one dataset out"

    def __init__(
        self, same: dict[str, str] | None = None, validation: float = 0.2, seed: int = 0
    ) -> None:
        super().__init__(validation, seed)
        self.same = same

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:  # noqa: ARG002
        """Each dataset in turn; a subject is named after its dataset."""
        groups: dict[str, list[str]] = {}
        for subject in subjects:
            groups.setdefault(subject.partition("/")[0], []).append(subject)
        if len(groups) < 2:
            raise ValueError("leaving one dataset out takes at least two datasets")
        return groups


class RandomWindows(Protocol):
    """Windows divided at random, whoever wore them: what this package never does but to show it.

    Windows of one wearer, and such as overlap, are on both sides, and pretraining sees all streams.
    Scores are flattered, and the audit says that the protocol leaks.

    Parameters
    ----------
    test : float
        Share of the windows that is tested.
    validation : float
        Share of the others that every choice is made on.
    seed : int
        Seed of the draw.

    Examples
    --------
    >>> protocol = RandomWindows()
    >>> groups = protocol.groups(["one"] * 100)
    >>> protocol.splits(sorted(set(groups.tolist())), [])["random"].test
    ('part 00', 'part 01', 'part 02', 'part 03')
    """

    name = "random windows (leaky)"

    def __init__(self, test: float = 0.2, validation: float = 0.2, seed: int = 0) -> None:
        super().__init__(validation, seed)
        self.test = test

    def groups(self, subjects: Sequence[str]) -> np.ndarray:
        """Twenty parts of one size."""
        order = np.random.default_rng(self.seed).permutation(len(subjects))
        return np.array([f"part {place % N_PARTS:02d}" for place in order])

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:  # noqa: ARG002
        """The first parts."""
        return {"random": sorted(subjects)[: max(1, round(self.test * len(subjects)))]}
