"""The base class of the protocols: subjects in, training, validation and test out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np

from tsclr.data.splits import Split, split_subjects
from tsclr.data.store import Store

__all__ = ["Protocol"]


@dataclass(frozen=True, kw_only=True)
class Protocol(ABC):
    """Base of the protocols: which subjects are held out, once or in turns.

    Parameters
    ----------
    validation : float or list of str
        Validation subjects, or their share of the subjects that are not tested.
    seed : int
        Seed of every random choice.
    max_folds : int, optional
        Use only the first so many folds, where all would take too long.
    datasets : list of str, optional
        Use only these datasets of the suite.

    Attributes
    ----------
    by_subject : bool
        Whether it divides subjects, and not windows.
    leaky : bool
        Whether windows of one subject are both trained on and tested.
    pooled : bool
        Whether the folds make up one test, and are not a test each.
    arranges : bool
        Whether `arranged` changes the recordings.
    apart : str
        What the subjects of its split are, so that each is on one side only: people, unless the
        protocol tests people whom it has trained on.
    """

    validation: float | list[str] = 0.2
    seed: int = 0
    max_folds: int | None = None
    datasets: list[str] | None = None
    by_subject: ClassVar[bool] = True
    leaky: ClassVar[bool] = False
    pooled: ClassVar[bool] = True
    arranges: ClassVar[bool] = False
    apart: ClassVar[str] = "people"

    def __post_init__(self) -> None:
        if self.max_folds is not None and self.max_folds < 1:
            raise ValueError(f"max_folds is {self.max_folds}, it must be at least 1")

    @property
    @abstractmethod
    def title(self) -> str:
        """Its name in results if all folds are used."""

    @property
    def name(self) -> str:
        """Its name in results."""
        return f"{self.title}, {self.max_folds} of the folds" if self.max_folds else self.title

    def name_with(self, fold: str) -> str:
        """Its name in results, with the fold if each fold is a test by itself.

        Parameters
        ----------
        fold : str
            Name of the fold.
        """
        return self.name if self.pooled else f"{self.name}: {fold}"

    def groups(self, subjects: Sequence[str], official: Sequence[str]) -> np.ndarray | None:
        """Group of each window, given its subject; None where the split names subjects.

        Parameters
        ----------
        subjects : sequence of str
            Subject of each window.
        official : sequence of str
            Test subjects that the dataset documents.
        """
        return None

    def arranged(self, store: Store, classes: Sequence[str], official: Sequence[str]) -> Store:
        """The recordings as the protocol divides them: the subjects may be parts of people.

        Parameters
        ----------
        store : Store
            The recordings of a dataset.
        classes : sequence of str
            Classes that are scored.
        official : sequence of str
            Test subjects that the dataset documents.

        Raises
        ------
        ValueError
            If the recordings cannot be divided in this way.
        """
        return store

    def person(self, subject: str) -> str:
        """Whose scores those of a subject are.

        Parameters
        ----------
        subject : str
            Name in what `arranged` gives.
        """
        return subject

    @abstractmethod
    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """Test subjects of each fold, by the name of the fold.

        Parameters
        ----------
        subjects : sequence of str
            All subjects of a dataset, or all groups of windows.
        official : sequence of str
            Test subjects that the dataset documents.
        """

    def splits(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, Split]:
        """Split of each fold, by its name.

        Parameters
        ----------
        subjects : sequence of str
            All subjects of a dataset, or all groups of windows.
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
