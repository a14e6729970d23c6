"""Labelled windows and a split in, confusion counts on the test subjects out.

Every choice is made on the training side: its subjects take turns as validation subjects, labels
are drawn from the others, and each setting of a head is scored on the validation subjects. The
setting that is best on average is fitted anew on labels drawn from all training subjects. Test
subjects are scored once. The ledger of the task records which windows were used for what.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from tsclr.audit.ledger import Ledger
from tsclr.data.splits import Budget, Split, audit, draw_budget
from tsclr.data.windows import Windows
from tsclr.evaluate.scores import confusions, macro_f1
from tsclr.types import UNLABELLED


@dataclass(frozen=True)
class Task:
    """Labelled windows and who may see them.

    Where the split divides windows and not subjects, `groups` names the group of each window.
    `leaky` allows windows of one subject on both sides, for protocols that are known to leak.

    Raises
    ------
    LeakError
        If training and test share a subject or overlap in time, unless `leaky` allows it.
    """

    windows: Windows
    classes: tuple[str, ...]
    split: Split
    draws: int = 5
    seed: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    groups: np.ndarray | None = None
    leaky: bool = False

    def __post_init__(self) -> None:
        if not self.leaky:
            audit(self.side(self.split.train), self.side(self.split.test))
            audit(self.side(self.split.validation), self.side(self.split.test))

    @property
    def subjects(self) -> np.ndarray:
        """Name of each window's subject, or of its group, as the split has it."""
        return self.windows.subjects if self.groups is None else self.groups

    @property
    def trained(self) -> tuple[str, ...]:
        """Subjects of the training side, validation subjects included."""
        return (*self.split.train, *self.split.validation)

    def folds(self) -> list[tuple[list[str], list[str]]]:
        """Who to fit on and who to choose on; each training subject takes a turn in the latter.

        The first fold is that of the split; the others are random and of about the same size.
        """
        train, validation = list(self.split.train), list(self.split.validation)
        n_more = max(1, round(len(train) / len(validation)))
        order = np.random.default_rng(self.seed).permutation(train)
        groups = [validation, *(group.tolist() for group in np.array_split(order, n_more))]
        rest = [[name for name in self.trained if name not in group] for group in groups]
        return [(fit, group) for fit, group in zip(rest, groups, strict=True) if group]

    def affords(self, budget: Budget, subjects: Sequence[str]) -> bool:
        """Whether every class has enough windows of `subjects` for the budget."""
        labels = self.windows.labels[self.where(subjects)]
        needed = budget if isinstance(budget, int) else 1
        return bool((np.bincount(labels, minlength=len(self.classes)) >= needed).all())

    def count(self, budget: Budget, subjects: Sequence[str]) -> int:
        """How many windows of `subjects` keep their label."""
        labels = self.windows.labels[self.where(subjects)]
        return len(draw_budget(labels, budget, self.classes, self.seed))

    def where(self, subjects: Sequence[str]) -> np.ndarray:
        """Indices of the windows of `subjects`."""
        return np.flatnonzero(np.isin(self.subjects, list(subjects)))

    def side(self, subjects: Sequence[str]) -> Windows:
        """The windows of `subjects`."""
        return self.windows.select(self.where(subjects))


@dataclass(frozen=True)
class Candidate:
    """A method under a head: what the head reads, and the classifiers to choose from.

    Parameters
    ----------
    inputs : (N, …) array
        Features of all windows of a task, or the windows themselves for a head that trains the
        encoder.
    classifiers : callable
        Maps a number of labels to unfitted scikit-learn classifiers.
    sees_unlabelled : bool
        Whether the classifier is also fitted on training windows without a label, marked -1.
    """

    inputs: np.ndarray
    classifiers: Callable[[int], list[Any]]
    sees_unlabelled: bool = False

    def select(self, task: Task, budget: Budget) -> tuple[Any, float | None]:
        """The classifier with the best mean macro F1 on validation subjects, and that score.

        Where there is one classifier, nothing is chosen and there is no score.

        Raises
        ------
        ValueError
            If fewer than two training subjects have labels, or a class too few for the budget.
        """
        labelled = [fold for fold in task.folds() if all(len(task.where(side)) for side in fold)]
        if not labelled:
            raise ValueError(
                "fewer than two training subjects have labels: one to fit on and one to choose on "
                "are needed"
            )
        folds = [fold for fold in labelled if task.affords(budget, fold[0])]
        folds = folds or labelled[:1]  # fitting on it raises an error that says what is missing
        n_trials = len(folds) if budget is None else max(len(folds), task.draws)
        trials = [(*folds[draw % len(folds)], draw) for draw in range(n_trials)]
        classifiers = self.classifiers(min(task.count(budget, fold[0]) for fold in folds))
        if len(classifiers) == 1:
            return classifiers[0], None
        means = [
            np.mean(
                [
                    macro_f1(
                        self._count(classifier, task, budget, *trial, ("choice", "choice")).sum(0)
                    )
                    for trial in trials
                ]
            )
            for classifier in classifiers
        ]
        return classifiers[int(np.argmax(means))], float(max(means))

    def evaluate(
        self, classifier: Any, task: Task, budget: Budget
    ) -> Int[np.ndarray, "draws subjects K K"]:
        """Confusion counts on the test subjects; with all labels there is one draw."""
        trained, tested = task.trained, task.split.test
        draws = range(1 if budget is None else task.draws)
        roles = "fitting", "test"
        return np.stack(
            [self._count(classifier, task, budget, trained, tested, draw, roles) for draw in draws]
        )

    def _count(
        self,
        classifier: Any,
        task: Task,
        budget: Budget,
        trained: Sequence[str],
        tested: Sequence[str],
        draw: int,
        roles: tuple[str, str],
    ) -> Int[np.ndarray, "subjects K K"]:
        """Fit on a label draw from `trained`; confusion counts of each subject of `tested`."""
        pool, target = task.where(trained), task.where(tested)
        labels, subjects = task.windows.labels, task.windows.subjects[target]
        # The factor keeps the draws of two seeds apart, as long as there are fewer than so many.
        drawn = pool[draw_budget(labels[pool], budget, task.classes, task.seed * 10_007 + draw)]
        fitted_on = pool if self.sees_unlabelled else drawn
        for role, index in zip(roles, (fitted_on, target), strict=True):
            task.ledger.note(role, task.windows, index)
        fresh: Any = clone(classifier)
        with threadpool_limits(1, "blas"):  # ten times faster than two on matrices this small
            visible = np.where(np.isin(fitted_on, drawn), labels[fitted_on], UNLABELLED)
            fresh.fit(self.inputs[fitted_on], visible)
            predicted = fresh.predict(self.inputs[target])
        return confusions(labels[target], predicted, subjects, len(task.classes))
