"""A run and a labelled dataset in, scores by label budget out, beside baselines that need no run.

How heads are chosen and scored stands in `tsclr.task`. Features are standardised by their moments
over the raw streams of the training subjects, which takes no label.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from sklearn.preprocessing import StandardScaler

from tsclr import datasets
from tsclr.checkpoint import Checkpoint
from tsclr.encoders import Encoder, Statistics
from tsclr.features import N_PAIRS, encode, fit_whitening
from tsclr.heads import FROZEN, HEADS, SEES_UNLABELLED, TRAINED
from tsclr.runs import circumstances
from tsclr.scores import summarise
from tsclr.settings import fingerprints, place
from tsclr.specs import from_spec, nearest
from tsclr.splits import LeakError, Split, parse_budget, split_subjects
from tsclr.store import Store
from tsclr.task import Contender, Task
from tsclr.windows import Windows

PRETRAINED, RANDOM, STATISTICS = METHODS = "pretrained", "random-init", "Statistics"


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
    for contender in _contenders(checkpoint, task, heads, whiten, methods):
        for text, budget in track(parsed.items(), f"{contender.method}, {contender.head}"):
            chosen, validation = contender.choose(task, budget)
            row = {"method": contender.method, "head": contender.head, "budget": text}
            row |= summarise(contender.score(chosen, task, budget), task.classes, seed)
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
    dataset = None if Path(source).is_dir() else datasets.find(source)(root)
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


def encoders(checkpoint: Checkpoint) -> dict[str, Encoder]:
    """The encoder of a run, the same one before training, and hand-crafted statistics."""
    spec, trained = checkpoint.input_spec, checkpoint.encoder()
    with torch.random.fork_rng():
        torch.manual_seed(checkpoint.settings["training"]["seed"])
        fresh = from_spec(Encoder, checkpoint.settings["encoder"])
    fresh.input_scale.copy_(trained.input_scale)
    statistics = Statistics(len(spec.channels), spec.sample_rate)
    return {PRETRAINED: trained, RANDOM: fresh.eval(), STATISTICS: statistics}


def _contenders(
    checkpoint: Checkpoint,
    task: Task,
    heads: Sequence[str],
    whiten: bool,
    methods: Sequence[str],
) -> Iterator[Contender]:
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
                    yield Contender(name, head, inputs, FROZEN[head], head in SEES_UNLABELLED)
            elif any(True for _ in encoder.parameters()):
                windows = task.windows.__getitems__(range(len(task.windows))).numpy()
                candidates = TRAINED[head](encoder)
                yield Contender(method, head, windows, lambda _, found=candidates: found)
