"""Labelled windows and a split in, confusion counts on the test subjects out.

Every choice is made on the training side: its subjects take turns as validation subjects, labels
are drawn from the others, and each setting of a head is scored on the validation subjects. The
setting that is best on average is fitted anew on labels drawn from all training subjects. Test
subjects are scored once. The ledger of the task records which windows were used for what.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from tsclr.audit.ledger import Ledger
from tsclr.data.splits import Budget, Split, audit, draw_budget
from tsclr.data.windows import Windows
from tsclr.evaluate.grids import ends, fitted_ends, reseeded, seeds_of
from tsclr.evaluate.scores import confusions, macro_f1
from tsclr.evaluate.staged import Staged
from tsclr.types import UNLABELLED


@dataclass(frozen=True)
class Task:
    """Labelled windows and who may see them.

    Where the split divides windows and not subjects, `groups` names the group of each window.
    `leaky` allows windows of one subject on both sides, for protocols that are known to leak.
    A classifier that is random is fitted with so many `seeds` where there is one label draw.

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
    seeds: int = 1

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
        needed = budget if isinstance(budget, int) else 1
        return bool((self.class_counts(subjects) >= needed).all())

    def class_counts(self, subjects: Sequence[str]) -> Int[np.ndarray, " K"]:
        """Windows of `subjects` in each class."""
        labels = self.windows.labels[self.where(subjects)]
        return np.bincount(labels, minlength=len(self.classes))

    def scarcest(self) -> tuple[str, int]:
        """The class with the fewest windows to train on, and how many it has."""
        counts = self.class_counts(self.trained)
        return self.classes[int(counts.argmin())], int(counts.min())

    def untrained(self) -> list[str]:
        """Classes without a window to train on."""
        counts = self.class_counts(self.trained)
        return [name for name, count in zip(self.classes, counts, strict=True) if not count]

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
class Choice:
    """The classifier that was chosen on validation subjects.

    Parameters
    ----------
    classifier : classifier
        Unfitted.
    score : float, optional
        Its mean macro F1 on validation subjects; None where there was nothing to choose.
    ends : list of str
        Its settings that lie at an end of what was tried.
    """

    classifier: Any
    score: float | None = None
    ends: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scored:
    """What a chosen classifier does on the test subjects.

    Parameters
    ----------
    counts : (draws, subjects, K, K) int
        Confusion counts, rows for the truth.
    seeds : int
        Different seeds of the classifier behind them; 1 where nothing in it is random.
    ends : list of str
        Settings that the classifier chose itself while it was fitted, and that lie at an end of
        what it tried, once for each draw of which that holds.
    """

    counts: Int[np.ndarray, "draws subjects K K"]
    seeds: int
    ends: list[str]


@dataclass(frozen=True)
class Trial:
    """Labelled windows to fit on and others to predict, of one label draw.

    Parameters
    ----------
    inputs : (N, …) array
        Of all windows of a task.
    fitted_on : (M,) int
        Indices of the windows to fit on.
    y : (M,) int
        Their classes, -1 where the label is hidden.
    target : (L,) int
        Indices of the windows to predict.
    truth : (L,) int
        Their classes.
    subjects : (L,) array
        Whose they are.
    draw : int
        Number of the draw, which the seeds of the classifier follow.
    n_classes : int
        Classes K of the task.
    """

    inputs: np.ndarray
    fitted_on: Int[np.ndarray, " M"]
    y: Int[np.ndarray, " M"]
    target: Int[np.ndarray, " L"]
    truth: Int[np.ndarray, " L"]
    subjects: np.ndarray
    draw: int
    n_classes: int

    def fit(self, classifier: Any) -> Any:
        """A copy of a classifier, fitted."""
        seeded = reseeded(clone(classifier), self.draw)
        return seeded.fit(self.inputs[self.fitted_on], self.y)

    def fit_stages(self, classifier: Any, stages: Sequence[Any]) -> Iterator[Any]:
        """A copy of a classifier as it is at the end of each of its stages."""
        if isinstance(classifier, Staged):
            seeded = reseeded(clone(classifier), self.draw)
            yield from seeded.fit_stages(self.inputs[self.fitted_on], self.y, stages)
        else:
            yield self.fit(classifier)

    def counts(self, fitted: Any) -> Int[np.ndarray, "subjects K K"]:
        """Confusion counts of each subject."""
        predicted = fitted.predict(self.inputs[self.target])
        return confusions(self.truth, predicted, self.subjects, self.n_classes)

    def score(self, fitted: Any) -> float:
        """Macro F1 of all subjects together."""
        return float(macro_f1(self.counts(fitted).sum(0)))


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
    bounds : mapping of str to float
        Natural bounds of settings, at which a choice is not at the end of its grid.
    """

    inputs: np.ndarray
    classifiers: Callable[[int], list[Any]]
    sees_unlabelled: bool = False
    bounds: Mapping[str, float] = field(default_factory=dict)

    def select(self, task: Task, budget: Budget) -> Choice:
        """The classifier with the best mean macro F1 on validation subjects.

        Of a classifier that is trained in stages, each stage is one to choose from. Where there is
        one classifier, nothing is chosen and there is no score.

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
        classifiers = self.classifiers(min(task.count(budget, fold[0]) for fold in folds))
        paths = [stages_of(classifier) for classifier in classifiers]
        settings = [stage for stages in paths for stage in stages]
        if len(settings) == 1:
            return Choice(*settings)
        n_trials = len(folds) if budget is None else max(len(folds), task.draws)
        trials = [
            self._trial(task, budget, *folds[draw % len(folds)], draw, ("choice", "choice"))
            for draw in range(n_trials)
        ]
        with one_blas_thread():
            scored = [pair for stages in paths for pair in scored_stages(stages, trials)]
        chosen, score = max(scored, key=itemgetter(1))
        return Choice(chosen, score, ends(chosen, settings, self.bounds))

    def evaluate(self, classifier: Any, task: Task, budget: Budget) -> Scored:
        """Confusion counts on the test subjects.

        With all labels there is one draw, or one for each of the task's seeds if the classifier is
        random.
        """
        n_seeds = task.seeds if seeds_of(classifier) else 1
        n_draws = n_seeds if budget is None else task.draws
        counts, at_ends = [], []
        with one_blas_thread():
            for draw in range(n_draws):
                roles = "fitting", "test"
                trial = self._trial(task, budget, task.trained, task.split.test, draw, roles)
                fitted = trial.fit(classifier)
                counts.append(trial.counts(fitted))
                at_ends += fitted_ends(fitted)
        return Scored(np.stack(counts), n_draws if seeds_of(classifier) else 1, at_ends)

    def _trial(
        self,
        task: Task,
        budget: Budget,
        trained: Sequence[str],
        tested: Sequence[str],
        draw: int,
        roles: tuple[str, str],
    ) -> Trial:
        """A label draw from `trained`, to be fitted on, and the windows of `tested`."""
        pool, target = task.where(trained), task.where(tested)
        labels, subjects = task.windows.labels, task.windows.subjects[target]
        # The factor keeps the draws of two seeds apart, as long as there are fewer than so many.
        drawn = pool[draw_budget(labels[pool], budget, task.classes, task.seed * 10_007 + draw)]
        fitted_on = pool if self.sees_unlabelled else drawn
        for role, index in zip(roles, (fitted_on, target), strict=True):
            task.ledger.note(role, task.windows, index)
        visible = np.where(np.isin(fitted_on, drawn), labels[fitted_on], UNLABELLED)
        truth, n_classes = labels[target], len(task.classes)
        return Trial(self.inputs, fitted_on, visible, target, truth, subjects, draw, n_classes)


def one_blas_thread() -> AbstractContextManager[Any]:
    """One thread for linear algebra: ten times faster than two on matrices this small."""
    return threadpool_limits(1, "blas")


def stages_of(classifier: Any) -> list[Any]:
    """The stages of a classifier that is trained in stages; any other is its own only one."""
    return classifier.stages() if isinstance(classifier, Staged) else [classifier]


def scored_stages(stages: Sequence[Any], trials: Sequence[Trial]) -> Iterator[tuple[Any, float]]:
    """Each stage of a classifier with its mean macro F1 over trials, until longer is no better.

    All trials are trained side by side, so that one decision ends them together.
    """
    *_, whole = stages
    fits = [trial.fit_stages(whole, stages) for trial in trials]
    best, since = -np.inf, 0
    for stage, *fitted in zip(stages, *fits, strict=True):
        score = float(
            np.mean([trial.score(one) for trial, one in zip(trials, fitted, strict=True)])
        )
        yield stage, score
        since = 0 if score > best else since + 1
        best = max(best, score)
        if isinstance(whole, Staged) and since == whole.patience:
            return
