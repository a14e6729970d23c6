"""Labelled windows and who may see them in, confusion counts on test subjects out.

Every choice is made on validation subjects of the training side, a few at a time until each had its
turn: labels are drawn from the other training subjects, each candidate is scored on the validation
subjects, and the best on average is fitted anew on draws from all training subjects. Test subjects
are scored once. What was used for what is noted in the ledger of the task.
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

    Parameters
    ----------
    windows : Windows
        Labelled.
    classes : tuple of str
        What the labels index.
    split : Split
        Subjects.
    draws : int
        Draws of labels for each budget.
    seed : int
        Seed of the draws.
    ledger : Ledger
        Where the windows used are noted.
    parts : (N,) str, optional
        What the split names in place of the subject of each window.
    leaky : bool
        Let windows of one wearer be trained on and tested; for protocols that are known to leak.

    Raises
    ------
    LeakError
        If train and test share a subject or overlap in time, unless that is let.
    """

    windows: Windows
    classes: tuple[str, ...]
    split: Split
    draws: int = 5
    seed: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    parts: np.ndarray | None = None
    leaky: bool = False

    def __post_init__(self) -> None:
        if not self.leaky:
            audit(self.side(self.split.train), self.side(self.split.test))
            audit(self.side(self.split.validation), self.side(self.split.test))

    @property
    def subjects(self) -> np.ndarray:
        """Who each window is of, as the split names them."""
        return self.windows.subjects if self.parts is None else self.parts

    @property
    def trained(self) -> tuple[str, ...]:
        """Subjects of the training side, those of validation among them."""
        return (*self.split.train, *self.split.validation)

    def folds(self) -> list[tuple[list[str], list[str]]]:
        """Who to fit on and who to choose on, so that each training subject has its turn.

        The first fold is that of the split; the others are drawn, of about the same size.
        """
        train, validation = list(self.split.train), list(self.split.validation)
        n_more = max(1, round(len(train) / len(validation)))
        order = np.random.default_rng(self.seed).permutation(train)
        groups = [validation, *(group.tolist() for group in np.array_split(order, n_more))]
        fitted = [[one for one in self.trained if one not in group] for group in groups]
        return [(fit, group) for fit, group in zip(fitted, groups, strict=True) if group]

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
        """Numbers of the windows of `subjects`."""
        return np.flatnonzero(np.isin(self.subjects, list(subjects)))

    def side(self, subjects: Sequence[str]) -> Windows:
        """The windows of `subjects`."""
        return self.windows.select(self.where(subjects))


@dataclass(frozen=True)
class Candidate:
    """A method and a head: what the head sees, and the candidates it is chosen from.

    Parameters
    ----------
    method, head : str
        Names.
    inputs : (N, …) array
        Features of the windows of a task, or the windows where the encoder is trained along.
    candidates : callable
        Gives scikit-learn classifiers to choose from, for a number of labels.
    sees_unlabelled : bool
        Whether the classifier is also fitted on training windows without a label, marked -1.
    """

    method: str
    head: str
    inputs: np.ndarray
    candidates: Callable[[int], list[Any]]
    sees_unlabelled: bool = False

    def select(self, task: Task, budget: Budget) -> tuple[Any, float | None]:
        """The candidate with the best mean macro F1 on validation subjects, and that score.

        Where there is one candidate, nothing is chosen and there is no score.

        Raises
        ------
        ValueError
            If fewer than two training subjects have labels, or a class too few for the budget.
        """
        judged = [fold for fold in task.folds() if all(len(task.where(side)) for side in fold)]
        if not judged:
            raise ValueError(
                "fewer than two training subjects have labels: one to fit on and one to choose on "
                "are needed"
            )
        folds = [fold for fold in judged if task.affords(budget, fold[0])]
        folds = folds or judged[:1]  # which then says what is missing
        n_trials = len(folds) if budget is None else max(len(folds), task.draws)
        trials = [(*folds[draw % len(folds)], draw) for draw in range(n_trials)]
        candidates = self.candidates(min(task.count(budget, fold[0]) for fold in folds))
        if len(candidates) == 1:
            return candidates[0], None
        means = [
            np.mean(
                [
                    macro_f1(self._count(each, task, budget, *trial, ("choice", "choice")).sum(0))
                    for trial in trials
                ]
            )
            for each in candidates
        ]
        return candidates[int(np.argmax(means))], float(max(means))

    def evaluate(
        self, chosen: Any, task: Task, budget: Budget
    ) -> Int[np.ndarray, "draws subjects K K"]:
        """Confusion counts on the test subjects; all labels are one draw."""
        trained, tested = task.trained, task.split.test
        draws = range(1 if budget is None else task.draws)
        roles = "fitting", "test"
        return np.stack(
            [self._count(chosen, task, budget, trained, tested, draw, roles) for draw in draws]
        )

    def _count(
        self,
        candidate: Any,
        task: Task,
        budget: Budget,
        trained: Sequence[str],
        tested: Sequence[str],
        draw: int,
        roles: tuple[str, str],
    ) -> Int[np.ndarray, "subjects K K"]:
        """Fit on a draw of labels of `trained`; confusion counts of each subject of `tested`."""
        pool, target = task.where(trained), task.where(tested)
        labels, subjects = task.windows.labels, task.windows.subjects[target]
        drawn = pool[draw_budget(labels[pool], budget, task.classes, task.seed * 10_007 + draw)]
        seen = pool if self.sees_unlabelled else drawn
        for role, index in zip(roles, (seen, target), strict=True):
            task.ledger.note(role, task.windows, index)
        classifier: Any = clone(candidate)
        with threadpool_limits(1, "blas"):  # ten times faster than two on matrices this small
            known = np.where(np.isin(seen, drawn), labels[seen], UNLABELLED)
            classifier.fit(self.inputs[seen], known)
            predicted = classifier.predict(self.inputs[target])
        return confusions(labels[target], predicted, subjects, len(task.classes))
