"""A run and a labelled dataset in, scores by label budget out, beside baselines that need no run.

Every choice is made on validation subjects of the training side: labels are drawn from the other
training subjects, each candidate is scored on the validation subjects, and the best on average over
the draws is fitted anew on draws from all training subjects. Test subjects are scored once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsclr import datasets
from tsclr.checkpoint import Checkpoint
from tsclr.encoders import Encoder, Statistics
from tsclr.features import encode
from tsclr.finetune import FineTuned
from tsclr.pretrain import fit_whitening
from tsclr.scores import confusions, macro_f1, summarise
from tsclr.specs import from_spec, nearest
from tsclr.splits import Budget, LeakError, Split, audit, draw_budget, parse_budget, split_subjects
from tsclr.store import Store
from tsclr.windows import Windows

PRETRAINED, RANDOM, STATISTICS = "pretrained", "random-init", "statistics"
HEADS = {
    "linear": [LogisticRegression(C=C, max_iter=1000) for C in (0.01, 0.1, 1.0, 10.0)],
    "knn": [KNeighborsClassifier(k, weights="distance") for k in (1, 5, 15)],
    "finetune": [50, 200],
}
"""Candidates of each head: classifiers on frozen features, or steps of fine-tuning."""


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

    Raises
    ------
    LeakError
        If train and test share a subject or overlap in time.
    """

    windows: Windows
    classes: tuple[str, ...]
    split: Split

    def __post_init__(self) -> None:
        audit(self.side(self.split.train), self.side(self.split.test))
        audit(self.side(self.split.validation), self.side(self.split.test))

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
    for head in heads:
        if head not in HEADS:
            raise ValueError(f"no head {head!r}: {nearest(head, HEADS)}")
    source = source or checkpoint.settings["data"]["source"]
    task = open_task(checkpoint, source, root, classes, test)
    rows = []
    for cell in _cells(checkpoint, task, heads, whiten):
        for text, budget in track(parsed.items(), f"{cell.method}, {cell.head}"):
            chosen = cell.choose(task, budget, draws, seed)
            counts = cell.score(chosen, task, budget, draws, seed)
            row = {"method": cell.method, "head": cell.head, "budget": text}
            rows.append(row | {"chosen": str(chosen)} | summarise(counts, task.classes, seed))
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
    }


def open_task(
    checkpoint: Checkpoint,
    source: str,
    root: str | None,
    classes: Sequence[str] | None,
    test: Sequence[str] | None,
) -> Task:
    """Labelled windows that fit the encoder, and a split that it has not seen through."""
    store, spec = Store.load(source, root), checkpoint.input_spec
    spec.check_stream(store.channels, store.sample_rate)
    dataset = None if Path(source).is_dir() else datasets.find(source)()
    if classes is None:
        classes = store.classes if dataset is None else dataset.scored_classes
    windows = Windows.labelled(store, spec.length, max(1, spec.length // 2), classes)
    own = checkpoint.settings["data"]["source"] == source
    seen = Split(**{name: tuple(who) for name, who in checkpoint.settings["split"].items()})
    if test is None and own and seen.test:
        return Task(windows, tuple(classes), seen)
    if test is None:
        test = dataset.test_subjects if dataset is not None else None
    split = split_subjects(np.unique(windows.subjects), 0.3 if test is None else test)
    shared = set(split.test) & {*seen.train, *seen.validation} if own else set()
    if shared:
        raise LeakError(
            f"pretraining has seen the test subjects {', '.join(sorted(shared))}: pretrain with "
            f"`--data.test '[{','.join(split.test)}]'`, or name other subjects with --test"
        )
    return Task(windows, tuple(classes), split)


@dataclass(frozen=True)
class Cell:
    """A method and a head: what the head sees, and the candidates it is chosen from.

    Parameters
    ----------
    method, head : str
        Names.
    inputs : (N, …) array
        Features, or windows where the encoder is trained along.
    candidates : list of classifier
        Of scikit-learn's kind.
    """

    method: str
    head: str
    inputs: np.ndarray
    candidates: list[ClassifierMixin]

    def choose(self, task: Task, budget: Budget, draws: int, seed: int) -> ClassifierMixin:
        """The candidate with the best mean macro F1 on the validation subjects."""
        means = [
            np.mean(
                macro_f1(
                    self._counts(
                        candidate,
                        task,
                        task.split.train,
                        task.split.validation,
                        budget,
                        draws,
                        seed,
                    ).sum(1)
                )
            )
            for candidate in self.candidates
        ]
        return self.candidates[int(np.argmax(means))]

    def score(
        self, chosen: ClassifierMixin, task: Task, budget: Budget, draws: int, seed: int
    ) -> np.ndarray:
        """Confusion counts (draws, subjects, K, K) on the test subjects."""
        trained = (*task.split.train, *task.split.validation)
        return self._counts(chosen, task, trained, task.split.test, budget, draws, seed)

    def _counts(
        self,
        candidate: ClassifierMixin,
        task: Task,
        trained: Sequence[str],
        tested: Sequence[str],
        budget: Budget,
        draws: int,
        seed: int,
    ) -> np.ndarray:
        """Fit on each draw of labels of `trained`, count on `tested`; one draw if it takes all."""
        pool, target = task.where(trained), task.where(tested)
        labels, subjects = task.windows.labels, task.windows.subjects[target]
        counts = []
        for draw in range(1 if budget == 1.0 and isinstance(budget, float) else draws):
            drawn = pool[draw_budget(labels[pool], budget, task.classes, seed * 10_007 + draw)]
            fitted = clone(candidate).fit(self.inputs[drawn], labels[drawn])
            predicted = fitted.predict(self.inputs[target])
            counts.append(confusions(labels[target], predicted, subjects, len(task.classes)))
        return np.stack(counts)


def methods(checkpoint: Checkpoint) -> dict[str, Encoder]:
    """The encoder of a run, the same one before training, and hand-crafted statistics."""
    spec, trained = checkpoint.input_spec, checkpoint.encoder()
    with torch.random.fork_rng():
        torch.manual_seed(checkpoint.settings["training"]["seed"])
        fresh = from_spec(Encoder, checkpoint.settings["encoder"])
    fresh.input_scale.copy_(trained.input_scale)
    statistics = Statistics(len(spec.channels), spec.sample_rate)
    return {PRETRAINED: trained, RANDOM: fresh.eval(), STATISTICS: statistics}


def _cells(
    checkpoint: Checkpoint, task: Task, heads: Sequence[str], whiten: bool
) -> Iterator[Cell]:
    """Every method under every head."""
    spec = checkpoint.input_spec
    for method, encoder in methods(checkpoint).items():
        features = encode(encoder, task.windows)
        frozen = {method: (features, StandardScaler())}
        if whiten:
            streams = Windows.sliding(
                task.windows.store, spec.length, max(1, spec.length // 2), task.split.train
            )
            whitened = fit_whitening(encoder, streams).transform(features)
            frozen[f"{method}, whitened"] = (whitened, "passthrough")
        for head in heads:
            if head != "finetune":
                for name, (inputs, scaler) in frozen.items():
                    candidates = [make_pipeline(scaler, candidate) for candidate in HEADS[head]]
                    yield Cell(name, head, inputs, candidates)
            elif any(True for _ in encoder.parameters()):
                windows = task.windows.__getitems__(range(len(task.windows))).numpy()
                yield Cell(method, head, windows, [FineTuned(encoder, n) for n in HEADS[head]])
