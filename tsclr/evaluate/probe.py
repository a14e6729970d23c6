"""A run and a labelled dataset in, scores by label budget out, beside baselines that need no run.

How heads are chosen and scored stands in `tsclr.evaluate.task`. Features are standardised by their
moments over the raw streams of the training subjects, which takes no label. What was
used for what is noted in a ledger, the weights of the run included, and certified.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from sklearn.preprocessing import StandardScaler

from tsclr import datasets
from tsclr.audit import ledger
from tsclr.audit.certificate import certificate, leaks
from tsclr.data.identity import canonical_source, fingerprints, seen_before
from tsclr.data.settings import Data
from tsclr.data.splits import LeakError, Split, parse_budget, split_subjects
from tsclr.data.store import Store
from tsclr.data.windows import Windows, all_of
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import N_PAIRS, encode, fit_whitening
from tsclr.encoders import Encoder, Statistics
from tsclr.evaluate.heads import EncoderHead, FeatureHead, find_head, registered_heads
from tsclr.evaluate.scores import summarise
from tsclr.evaluate.task import Candidate, Task
from tsclr.files import replacing
from tsclr.specs import from_spec, nearest
from tsclr.train.runs import environment

PRETRAINED, RANDOM, STATISTICS = METHODS = "pretrained", "random-init", "Statistics"

log = logging.getLogger(__name__)


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
        Names of `tsclr.evaluate.heads.registered_heads`.
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
        ``results``, a list with a row for each method, head and budget, and how they came about:
        among others ``provenance``, the rows of a ledger, and its ``certificate``. Where the data
        of the pretraining are gone there is none, and ``uncertified`` says why.

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
    _check_names("head", heads, list(registered_heads()))
    _check_names("method", methods, METHODS)
    if draws < 1:
        raise ValueError(f"draws is {draws}, it must be at least 1")
    source = source or str(checkpoint.settings["data"]["source"])
    windows, names, split = open_labelled(checkpoint, source, root, classes, test)
    task = Task(windows, names, split, draws, seed, ledger.Ledger(source))
    uncertified = note_pretraining(checkpoint, task, methods)
    rows = []
    for method, head, contender in _contenders(checkpoint, task, heads, whiten, methods):
        for text, budget in track(parsed.items(), f"{method}, {head}"):
            chosen, validation = contender.select(task, budget)
            row = {"method": method, "head": head, "budget": text}
            row |= summarise(contender.evaluate(chosen, task, budget), task.classes, seed)
            rows.append(row | {"validation_macro_f1": validation, "chosen": str(chosen)})
    frame = task.ledger.frame()
    if leaked := leaks(frame):
        log.warning("the test has leaked, do not trust the scores: %s", leaked[0])
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
        "circumstances": environment(),
        "provenance": frame.to_dict("records"),
        "certificate": None if uncertified else certificate(frame),
        "uncertified": uncertified,
    }


def write_scores(path: Path, scores: dict[str, Any]) -> None:
    """Write the scores of a probe as JSON, and their provenance as Parquet beside it.

    ``scores.json`` has its provenance in ``scores.provenance.parquet``, and names it. `tsclr bench
    audit` checks the two.

    Parameters
    ----------
    path : Path
        JSON file to replace.
    scores : dict
        As `probe` gives them.
    """
    beside = path.with_name(f"{path.name.removesuffix('.json')}.provenance.parquet")
    ledger.write(ledger.frame_of(scores["provenance"]), beside)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(scores | {"provenance": beside.name}, indent=2))


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
    used = checkpoint.split
    seen = (*used.train, *used.validation)
    own = checkpoint.settings["place"] == canonical_source(source)
    if own and used.test and test is None:
        return windows, tuple(classes), used
    if test is None and dataset is not None:
        test = dataset.test_subjects
    split = split_subjects(sorted(set(windows.subjects)), 0.3 if test is None else test)
    shared = {
        subject
        for subject in split.test
        if (own and subject in seen) or seen_before(store, subject, checkpoint.settings["seen"])
    }
    if shared:
        raise LeakError(
            f"pretraining has seen the test subjects {', '.join(sorted(shared))}: pretrain with "
            f'`--data.test "{list(split.test)}"`, or name other subjects with --test'
        )
    return windows, tuple(classes), split


def note_pretraining(checkpoint: Checkpoint, task: Task, methods: Sequence[str]) -> str | None:
    """Note which windows are behind the encoders of a run; where that cannot be told, say why.

    The random start has the input scale of the run, a statistic of its training windows. Logs that
    the store got since are noted with the others: rather too much than too little.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of the run.
    task : Task
        Its ledger is written to, and bears the name of its dataset.
    methods : sequence of str
        Of `METHODS`, which are scored.
    """
    settings, used = checkpoint.settings, checkpoint.split
    chooses = PRETRAINED in methods and settings["training"]["patience"]
    roles = {
        "pretraining": used.train if PRETRAINED in methods else (),
        "statistics": used.train if RANDOM in methods else (),
        "choice": used.validation if chooses else (),
    }
    noted = {role: subjects for role, subjects in roles.items() if subjects}
    if not noted:
        return None
    try:
        store, dataset = _pretraining_store(checkpoint, task)
        for role, subjects in noted.items():
            windows = Data(**settings["data"]).windows(store, subjects)
            task.ledger.note(role, windows, dataset=dataset)
    except (ValueError, LookupError, OSError) as error:
        reason = f"what pretraining has seen cannot be read again: {error}"
        log.warning("the scores get no certificate, %s", reason)
        return reason
    return None


def _pretraining_store(checkpoint: Checkpoint, task: Task) -> tuple[Store, str]:
    """The store that pretraining has read, and its name in the ledger.

    That of the task, if it is the same or holds the same files; otherwise it is opened again.
    """
    settings, used = checkpoint.settings, checkpoint.split
    store, dataset = task.windows.store, task.ledger.dataset
    seen, subjects = set(settings["seen"]), (*used.train, *used.validation)
    copied = seen and seen <= set(fingerprints(store, subjects))
    if not copied and settings["place"] != canonical_source(dataset):
        dataset = settings["place"]
        store = Store.load(dataset, settings["data"]["root"])
    n_lost = len(seen - set(fingerprints(store, subjects)))
    if n_lost:
        raise ValueError(
            f"{dataset} lacks {n_lost} of the {len(seen)} files that pretraining has seen"
        )
    return store, dataset


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
) -> Iterator[tuple[str, str, Candidate]]:
    """Every one of the methods under every head."""
    spec = checkpoint.input_spec
    streams = Windows.sliding(
        task.windows.store, spec.length, max(1, spec.length // 2), task.split.train
    )
    task.ledger.note("statistics", streams)
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
            found = find_head(head)
            if isinstance(found, FeatureHead):
                for name, inputs in frozen.items():
                    yield name, head, Candidate(inputs, found.classifiers, found.sees_unlabelled)
            elif isinstance(found, EncoderHead) and any(True for _ in encoder.parameters()):
                windows, classifiers = all_of(task.windows), found.classifiers(encoder)
                yield method, head, Candidate(windows, lambda _, those=classifiers: those)
