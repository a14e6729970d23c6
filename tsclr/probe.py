"""A run and a labelled dataset in, scores by label budget out, beside baselines that need no run.

Every choice is made on validation subjects of the training side, a few at a time until each had its
turn: labels are drawn from the other training subjects, each candidate is scored on the validation
subjects, and the best on average is fitted anew on draws from all training subjects. Test subjects
are scored once. Features are standardised by their moments over the raw streams of the training
subjects, which takes no label.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tsclr import datasets
from tsclr.checkpoint import Checkpoint
from tsclr.encoders import Encoder, Statistics
from tsclr.features import N_PAIRS, encode, fit_whitening
from tsclr.finetune import FineTuned
from tsclr.runs import circumstances
from tsclr.scores import confusions, macro_f1, summarise
from tsclr.settings import fingerprints, place
from tsclr.specs import from_spec, nearest
from tsclr.splits import (
    Budget,
    LeakError,
    Split,
    audit,
    draw_budget,
    parse_budget,
    split_subjects,
)
from tsclr.store import Store
from tsclr.windows import Windows

PRETRAINED, RANDOM, STATISTICS = METHODS = "pretrained", "random-init", "Statistics"
STEPS = (50, 200)
"""Candidates of fine-tuning."""


def linear(n_labels: int) -> list[Any]:  # noqa: ARG001
    """Logistic regressions from strong to weak regularisation."""
    return [
        LogisticRegression(C=C, max_iter=1000, tol=1e-3)
        for C in (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
    ]


def knn(n_labels: int) -> list[Any]:
    """Neighbour votes, never of more neighbours than there are labels."""
    return [KNeighborsClassifier(k) for k in (1, 5, 15) if k <= n_labels]


FROZEN = {"linear": linear, "knn": knn}
"""Heads on frozen features: the candidates for a number of labels."""
HEADS = (*FROZEN, "finetune")


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

    Raises
    ------
    LeakError
        If train and test share a subject or overlap in time.
    """

    windows: Windows
    classes: tuple[str, ...]
    split: Split
    draws: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        audit(self.side(self.split.train), self.side(self.split.test))
        audit(self.side(self.split.validation), self.side(self.split.test))

    def folds(self) -> list[tuple[list[str], list[str]]]:
        """Who to fit on and who to choose on, so that each training subject has its turn.

        The first fold is that of the split; the others are drawn, of about the same size.
        """
        train, validation = list(self.split.train), list(self.split.validation)
        n_more = max(1, round(len(train) / len(validation)))
        order = np.random.default_rng(self.seed).permutation(train)
        groups = [validation, *(group.tolist() for group in np.array_split(order, n_more))]
        side = [*train, *validation]
        return [([one for one in side if one not in group], group) for group in groups if group]

    def affords(self, budget: Budget, subjects: Sequence[str]) -> bool:
        """Whether every class has enough windows of `subjects` for the budget."""
        labels = self.windows.labels[self.where(subjects)]
        needed = budget if isinstance(budget, int) else 1
        return bool((np.bincount(labels, minlength=len(self.classes)) >= needed).all())

    def where(self, subjects: Sequence[str]) -> np.ndarray:
        """Numbers of the windows of `subjects`."""
        return np.flatnonzero(np.isin(self.windows.subjects, list(subjects)))

    def side(self, subjects: Sequence[str]) -> Windows:
        """The windows of `subjects`."""
        return self.windows.select(self.where(subjects))


def probe(
    run: Path,
    source: str | None = None,
    root: str | None = None,
    budgets: Sequence[str] = ("1", "5", "10", "50", "all"),
    draws: int = 5,
    heads: Sequence[str] = ("linear", "knn"),
    whiten: bool = False,
    classes: Sequence[str] | None = None,
    test: Sequence[str] | None = None,
    seed: int = 0,
    methods: Sequence[str] = METHODS,
) -> dict[str, Any]:
    """Score the encoder of a run, its random start, and hand-crafted statistics with few labels.

    Parameters
    ----------
    run : Path
        Run folder or checkpoint.
    source : str, optional
        Folder of a store, or name of a dataset; that of the run by default.
    root : str, optional
        Folder with the archive of the dataset.
    budgets : sequence of str
        Labels per class, shares (``10%``), or ``all``.
    draws : int
        Draws of labels for each budget.
    heads : sequence of str
        Of ``linear``, ``knn``, ``finetune``.
    whiten : bool
        Score each method also after pair whitening on the unlabelled training streams.
    classes : sequence of str, optional
        Classes to tell apart; those the dataset is scored on, or all of a store.
    test : sequence of str, optional
        Test subjects; those left out by the run, or documented by the dataset, by default.
    seed : int
        Seed of the draws.
    methods : sequence of str
        Of ``pretrained``, ``random-init``, ``Statistics``; the baselines beside a run by default.

    Returns
    -------
    dict
        ``results``, a list with a row for each method, head and budget, and how they came about.

    Raises
    ------
    LeakError
        If the encoder has seen a test subject.
    ValueError
        If the data do not fit the encoder, or a budget exceeds a class.
    """
    checkpoint = Checkpoint.load(run)
    parsed = {text: parse_budget(text) for text in budgets}
    if not budgets:
        raise ValueError("no budgets are given: name at least one")
    _check_names("head", heads, HEADS)
    _check_names("method", methods, METHODS)
    if draws < 1:
        raise ValueError(f"draws is {draws}, it must be at least 1")
    source = source or str(checkpoint.settings["data"]["source"])
    windows, names, split = open_labelled(checkpoint, source, root, classes, test)
    task = Task(windows, names, split, draws, seed)
    rows = []
    for cell in _cells(checkpoint, task, heads, whiten, methods):
        for text, budget in track(parsed.items(), f"{cell.method}, {cell.head}"):
            chosen, validation = cell.choose(task, budget)
            row = {"method": cell.method, "head": cell.head, "budget": text}
            row |= summarise(cell.score(chosen, task, budget), task.classes, seed)
            rows.append(row | {"validation_macro_f1": validation, "chosen": str(chosen)})
    return {
        "results": rows,
        "source": source,
        "classes": list(task.classes),
        "train_subjects": [*task.split.train, *task.split.validation],
        "validation_subjects": list(task.split.validation),
        "test_subjects": list(task.split.test),
        "n_train_windows": len(task.where((*task.split.train, *task.split.validation))),
        "n_test_windows": len(task.where(task.split.test)),
        "seed": seed,
        "pretraining": {
            "seconds": sum(epoch["seconds"] for epoch in checkpoint.settings["metrics"]),
            "training": checkpoint.settings["training"],
        },
        "circumstances": circumstances(),
    }


def _check_names(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    """Raise ``ValueError`` unless there is a name and all of them are known."""
    if not given:
        raise ValueError(f"no {what}s are given: name at least one")
    for name in given:
        if name not in known:
            raise ValueError(f"no {what} {name!r}: {nearest(name, known)}")


def open_labelled(
    checkpoint: Checkpoint,
    source: str,
    root: str | None,
    classes: Sequence[str] | None,
    test: Sequence[str] | None,
) -> tuple[Windows, tuple[str, ...], Split]:
    """Labelled windows that fit the encoder, their classes, and a split it has not seen through."""
    store, spec = Store.load(source, root), checkpoint.input_spec
    spec.check_stream(store.channels, store.sample_rate)
    dataset = None if Path(source).is_dir() else datasets.find(source)()
    if classes is None:
        classes = store.classes if dataset is None else dataset.scored_classes
    windows = Windows.labelled(store, spec.length, max(1, spec.length // 2), classes)
    used = Split(**{name: tuple(who) for name, who in checkpoint.settings["split"].items()})
    seen = (*used.train, *used.validation)
    own = checkpoint.settings["place"] == place(source)
    if own and used.test and test is None:
        return windows, tuple(classes), used
    if test is None and dataset is not None:
        test = dataset.test_subjects
    split = split_subjects(sorted(set(windows.subjects)), 0.3 if test is None else test)
    shared = {
        subject
        for subject in split.test
        if (own and subject in seen)
        or set(fingerprints(store, (subject,))) & set(checkpoint.settings["seen"])
    }
    if shared:
        raise LeakError(
            f"pretraining has seen the test subjects {', '.join(sorted(shared))}: pretrain with "
            f'`--data.test "{list(split.test)}"`, or name other subjects with --test'
        )
    return windows, tuple(classes), split


@dataclass(frozen=True)
class Cell:
    """A method and a head: what the head sees, and the candidates it is chosen from.

    Parameters
    ----------
    method, head : str
        Names.
    inputs : (N, …) array
        Features, or windows where the encoder is trained along.
    candidates : callable
        Gives scikit-learn classifiers to choose from, for a number of labels.
    """

    method: str
    head: str
    inputs: np.ndarray
    candidates: Callable[[int], list[Any]]

    def choose(self, task: Task, budget: Budget) -> tuple[Any, float]:
        """The candidate with the best mean macro F1 on validation subjects, and that score."""
        folds = [fold for fold in task.folds() if task.affords(budget, fold[0])]
        folds = folds or task.folds()[:1]  # which then says what is missing
        n_trials = len(folds) if budget is None else max(len(folds), task.draws)
        trials = [(*folds[draw % len(folds)], draw) for draw in range(n_trials)]
        labels = task.windows.labels[task.where(folds[0][0])]
        candidates = self.candidates(len(draw_budget(labels, budget, task.classes, task.seed)))
        means = [
            np.mean([macro_f1(self._count(each, task, budget, *trial).sum(0)) for trial in trials])
            for each in candidates
        ]
        return candidates[int(np.argmax(means))], float(max(means))

    def score(self, chosen: Any, task: Task, budget: Budget) -> np.ndarray:
        """Confusion counts (draws, subjects, K, K) on the test subjects; all labels: one draw."""
        trained = (*task.split.train, *task.split.validation)
        draws = range(1 if budget is None else task.draws)
        return np.stack(
            [self._count(chosen, task, budget, trained, task.split.test, draw) for draw in draws]
        )

    def _count(
        self,
        candidate: Any,
        task: Task,
        budget: Budget,
        trained: Sequence[str],
        tested: Sequence[str],
        draw: int,
    ) -> np.ndarray:
        """Fit on a draw of labels of `trained`; confusion counts of each subject of `tested`."""
        pool, target = task.where(trained), task.where(tested)
        labels, subjects = task.windows.labels, task.windows.subjects[target]
        drawn = pool[draw_budget(labels[pool], budget, task.classes, task.seed * 10_007 + draw)]
        classifier: Any = clone(candidate)
        with threadpool_limits(1, "blas"):  # ten times faster than two on matrices this small
            classifier.fit(self.inputs[drawn], labels[drawn])
            predicted = classifier.predict(self.inputs[target])
        return confusions(labels[target], predicted, subjects, len(task.classes))


def encoders(checkpoint: Checkpoint) -> dict[str, Encoder]:
    """The encoder of a run, the same one before training, and hand-crafted statistics."""
    spec, trained = checkpoint.input_spec, checkpoint.encoder()
    with torch.random.fork_rng():
        torch.manual_seed(checkpoint.settings["training"]["seed"])
        fresh = from_spec(Encoder, checkpoint.settings["encoder"])
    fresh.input_scale.copy_(trained.input_scale)
    statistics = Statistics(len(spec.channels), spec.sample_rate)
    return {PRETRAINED: trained, RANDOM: fresh.eval(), STATISTICS: statistics}


def _cells(
    checkpoint: Checkpoint,
    task: Task,
    heads: Sequence[str],
    whiten: bool,
    methods: Sequence[str],
) -> Iterator[Cell]:
    """Every one of the methods under every head."""
    spec = checkpoint.input_spec
    streams = Windows.sliding(
        task.windows.store, spec.length, max(1, spec.length // 2), task.split.train
    )
    drawn = np.random.default_rng(task.seed).permutation(len(streams))[:N_PAIRS]
    for method, encoder in encoders(checkpoint).items():
        if method not in methods:
            continue
        features = encode(encoder, task.windows)
        moments = StandardScaler().fit(encode(encoder, streams, drawn))
        frozen = {method: np.asarray(moments.transform(features))}
        if whiten:
            whitening = fit_whitening(encoder, streams)
            frozen[f"{method}, whitened"] = whitening.transform(features)
        for head in heads:
            if head in FROZEN:
                for name, inputs in frozen.items():
                    yield Cell(name, head, inputs, FROZEN[head])
            elif any(True for _ in encoder.parameters()):
                windows = task.windows.__getitems__(range(len(task.windows))).numpy()
                yield Cell(method, head, windows, partial(_finetuned, encoder))


def _finetuned(encoder: Encoder, n_labels: int) -> list[Any]:  # noqa: ARG001
    """Fine-tuning for a short and a longer time."""
    return [FineTuned(encoder, steps) for steps in STEPS]
