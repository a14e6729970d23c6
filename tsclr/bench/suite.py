"""The YAML of a suite in, its units and cells out.

A unit is a method on a fold of a dataset; it learns once without labels. A cell is a head and a
budget of a unit::

    suite = datasets × folds × methods × heads × budgets
            └────────── unit ────────┘
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32
from sklearn.decomposition import PCA

from tsclr.audit.ledger import Ledger, merged
from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.benchmark import Benchmark, Source
from tsclr.bench.cache import cached, digest, source_digest, source_hashes
from tsclr.bench.methods import Method
from tsclr.bench.protocols import LeaveOneDatasetOut, Official, Protocol
from tsclr.bench.segmentation import segment
from tsclr.data.settings import Data
from tsclr.data.splits import Budget, Split, parse_budget, split_subjects
from tsclr.data.windows import Windows, all_of, samples
from tsclr.evaluate.heads import EncoderHead, FeatureHead, find_head
from tsclr.evaluate.task import Candidate, Task
from tsclr.specs import nearest, spec_of
from tsclr.train.monitor import forget_peak_memory, peak_memory

log = logging.getLogger(__name__)

SEGMENTATION, EMBEDDING = "segmentation", "embedding"
"""What stands in the place of a head where every sample is labelled, and for a picture."""
N_POINTS = 1500
"""Test windows that are drawn, at most."""


@dataclass(frozen=True)
class Suite:
    """What is judged on what, and how.

    Parameters
    ----------
    datasets : list of str or Source
        Names, as ``tsclr data list`` has them, or folders of stores with labels; or with a window
        and channels of their own.
    methods : dict of str to Method
        By the name that they are to have in the results.
    heads : list of str
        Names of `tsclr.evaluate.heads.registered_heads`, or class paths of heads of your own. A
        method may have other heads.
    budgets : list of int or str
        Labels per class, shares (``10%``), or ``all``.
    draws : int
        Draws of labels for each budget.
    protocols : list of Protocol
        Who is held out; each is judged on its own.
    segmentation : float, optional
        Also label every sample by steps that are so many seconds apart, and score the segments.
    root : str, optional
        Folder with the archives of the datasets.
    seed : int
        Of the draws.

    Raises
    ------
    ValueError
        If there is nothing to judge, a head or budget is not known, or one is named twice.
    """

    datasets: list[str | Source]
    methods: dict[str, Method]
    heads: list[str] = field(default_factory=lambda: ["linear"])
    budgets: list[int | str] = field(default_factory=lambda: [1, 5, 10, 50, "all"])
    draws: int = 5
    protocols: list[Protocol] = field(default_factory=lambda: [Official()])
    segmentation: float | None = None
    root: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("datasets", "methods", "heads", "budgets", "protocols"):
            if not getattr(self, name):
                raise ValueError(f"the suite has no {name}: name at least one")
        if self.draws < 1:
            raise ValueError(f"draws is {self.draws}, it must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, it must be at least 0")
        if self.segmentation is not None and not self.segmentation > 0:
            raise ValueError(f"segmentation is {self.segmentation:g} s, it must be above 0")
        self._check_budgets()
        self._check_heads()

    def _check_budgets(self) -> None:
        """Raise unless every budget can be read, and no two are the same."""
        written: dict[Budget, Any] = {}
        for budget in self.budgets:
            parsed = parse_budget(str(budget))
            if parsed in written:
                raise ValueError(
                    f"budgets {written[parsed]} and {budget} are the same: leave one out"
                )
            written[parsed] = budget

    def _check_heads(self) -> None:
        """Raise unless every method is able to have its heads."""
        for name, method in self.methods.items():
            heads = method.heads or self.heads
            check_unique(f"head of {name}", heads)
            for head in heads:
                if not method.supports(head):
                    hint = nearest(head, method.supported_heads())
                    raise ValueError(f"{name} does not support the head {head!r}: {hint}")

    def units(self, out: Path) -> Iterator["Unit"]:
        """Every unit, datasets that are absent or too small being told at once.

        Parameters
        ----------
        out : Path
            Folder of the results; datasets are read into it.

        Raises
        ------
        KeyError
            If there is no dataset of a name.
        FileNotFoundError
            If an archive is absent.
        LeakError
            If a method would read labels of test subjects.
        ValueError
            If there are too few subjects, a budget is more than a class has, or two datasets or
            protocols have one name.
        """
        for method in self.methods.values():
            method.check()
        sources = [Source(each) if isinstance(each, str) else each for each in self.datasets]
        prepared = [Benchmark.prepare(each, out / "data", self.root) for each in sources]
        check_unique("dataset", [each.name for each in prepared])
        tasks = [
            (benchmark, protocol)
            for protocol in self.protocols
            for benchmark in datasets_of(protocol, prepared, out / "data")
        ]
        check_unique(
            "task", [f"{benchmark.name}, {protocol.name}" for benchmark, protocol in tasks]
        )
        keys = {name: [each.key(), each.versions()] for name, each in self.methods.items()}
        for benchmark, protocol in tasks:
            yield from self._units_of(benchmark, protocol, keys, out)

    def _units_of(
        self, benchmark: Benchmark, protocol: Protocol, keys: dict[str, list[Any]], out: Path
    ) -> Iterator["Unit"]:
        """Units of one dataset under one protocol, once it is known that all of them can be."""
        if self.segmentation is not None:
            samples(self.segmentation, benchmark.store.sample_rate, "segmentation step")
        parts = benchmark.parts(protocol)
        names = benchmark.store.subjects if parts is None else sorted(set(parts.tolist()))
        try:
            splits = protocol.splits(names, benchmark.test_subjects)
            for fold, split in splits.items():
                task = Task(
                    benchmark.windows, benchmark.classes, split, parts=parts, leaky=protocol.leaky
                )
                lacking = self._check(task)
                if lacking:
                    told = f"{benchmark.name}, {protocol.name}, {fold}"
                    log.warning("%s: nobody trained on shows %s", told, ", ".join(lacking))
        except ValueError as error:
            raise ValueError(f"{benchmark.name}, {protocol.name}: {error}") from error
        for fold, split in splits.items():
            for name in self.methods:
                key = self._key(benchmark, protocol, split, keys[name])
                fresh = replace(benchmark)  # what it has opened cannot go to other processes
                yield Unit(
                    self, fresh, benchmark.fingerprint, protocol, fold, split, name, key, out
                )

    def _key(
        self, benchmark: Benchmark, protocol: Protocol, split: Split, method: list[Any]
    ) -> str:
        """Hash of all that the result of a unit depends on, the code and its packages included."""
        return digest(
            source_digest(),
            benchmark.name,
            benchmark.fingerprint,
            self.draws,
            self.seed,
            asdict(split),
            spec_of(protocol),
            source_hashes(type(protocol)),
            method,
        )

    def _check(self, task: Task) -> list[str]:
        """Classes that training lacks; raise where there is nothing to test or a budget is not met.

        Without a budget per class such a class may be: it is never predicted, and so scores 0.
        """
        if not len(task.where(task.split.test)):
            raise ValueError(f"no window of the test subjects {task.split.test} has a label")
        labels = task.windows.labels[task.where(task.trained)]
        counts = np.bincount(labels, minlength=len(task.classes))
        if (counts > 0).sum() < 2:
            told = [name for name, count in zip(task.classes, counts, strict=True) if count]
            raise ValueError(
                f"the training subjects show {told or 'no class'}: there is nothing to tell apart "
                "with fewer than two classes"
            )
        numbers = [parse_budget(str(budget)) for budget in self.budgets]
        most = max((number for number in numbers if isinstance(number, int)), default=0)
        if most and not counts.min():
            lacking = task.classes[int(counts.argmin())]
            raise ValueError(
                f"nobody trained on shows {lacking}, so that no number of labels per class can be "
                "met: take shares or all as budgets, hold out others, or leave the class out"
            )
        if counts.min() < most:
            raise ValueError(
                f"a budget of {most} labels per class is more than the {counts.min()} training "
                f"windows of class {task.classes[int(counts.argmin())]!r}: lower the budget"
            )
        return [name for name, count in zip(task.classes, counts, strict=True) if not count]


def datasets_of(protocol: Protocol, prepared: Sequence[Benchmark], data: Path) -> list[Benchmark]:
    """What a protocol is judged on: the datasets that it names, or all; left out in turns, as one.

    Parameters
    ----------
    protocol : Protocol
        Which.
    prepared : sequence of Benchmark
        All of the suite.
    data : Path
        Folder of the stores that are made.

    Raises
    ------
    ValueError
        If it names a dataset that the suite has not, or they cannot be one.
    """
    found = {each.name: each for each in prepared}
    for name in protocol.datasets or ():
        if name not in found:
            raise ValueError(f"{protocol.name}: no dataset {name!r}, {nearest(name, found)}")
    chosen = [found[name] for name in protocol.datasets or found]
    if not isinstance(protocol, LeaveOneDatasetOut):
        return chosen
    known = [(each.name, each.fingerprint) for each in chosen]
    same = protocol.same or {}
    return [Benchmark.combine(chosen, data / digest(source_digest(), known, same), same)]


def check_unique(kind: str, names: Sequence[Any]) -> None:
    """Raise ``ValueError`` if something stands twice in a list: it would be pooled with itself.

    Parameters
    ----------
    kind : str
        What is named.
    names : sequence
        As the suite has them.

    Examples
    --------
    >>> once("head", ["linear", "knn", "linear"])
    Traceback (most recent call last):
    ValueError: head 'linear' is named twice: leave one out
    """
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"{kind} {name!r} is named twice: leave one out")


@dataclass(frozen=True)
class Cell:
    """A head and a budget of a unit.

    Parameters
    ----------
    head, budget : str
        As the suite names them.
    path : Path
        File of its result; the name is a hash of all that the result depends on.
    """

    head: str
    budget: str
    path: Path


@dataclass(frozen=True)
class Unit:
    """A method on a fold of a dataset.

    Parameters
    ----------
    suite : Suite
        Whose unit it is.
    benchmark : Benchmark
        The dataset.
    fingerprint : str
        Of its recordings.
    protocol : Protocol
        Who is held out.
    fold : str
        Name of the fold.
    split : Split
        Its subjects.
    method : str
        Name of the method.
    key : str
        Hash of all that its result depends on.
    out : Path
        Folder of the results.
    """

    suite: Suite
    benchmark: Benchmark
    fingerprint: str
    protocol: Protocol
    fold: str
    split: Split
    method: str
    key: str
    out: Path

    @property
    def name(self) -> str:
        """For messages and for the file of its provenance."""
        return f"{self.benchmark.name}, {self.protocol.name}, {self.fold}, {self.method}"

    @property
    def protocol_name(self) -> str:
        """The protocol as results name it: with the fold, where that is a test of its own."""
        return self.protocol.name if self.protocol.pooled else f"{self.protocol.name}: {self.fold}"

    @property
    def transductive(self) -> bool:
        """Whether the method learns from unlabelled streams of test subjects."""
        return self.suite.methods[self.method].transductive

    @cached_property
    def label(self) -> str:
        """The method as results name it, with what has to be said of it."""
        remarks = self.suite.methods[self.method].remarks
        return f"{self.method} ({', '.join(remarks)})" if remarks else self.method

    @property
    def cells(self) -> list[Cell]:
        """Every head and budget, the picture of the features, the segmentation if there is one."""
        suite, method = self.suite, self.suite.methods[self.method]
        named = [
            (head, str(budget)) for head in method.heads or suite.heads for budget in suite.budgets
        ]
        if method.encodes:
            named.append((EMBEDDING, "test"))
        if suite.segmentation and method.segments and self.protocol.by_subject:
            named.append((SEGMENTATION, f"{suite.segmentation:g} s"))
        return [
            Cell(*names, self.out / "cells" / f"{digest(self.key, *names)}.json") for names in named
        ]

    def run(self) -> None:
        """Compute the cells that are not there yet; the method learns when the first is missing."""
        forget_peak_memory()
        taught = cache(partial(FittedUnit.fit, self))
        others = {SEGMENTATION: FittedUnit.segment, EMBEDDING: FittedUnit.draw}
        for cell in self.cells:
            compute = others.get(cell.head, FittedUnit.score)
            cached(cell.path, lambda compute=compute, cell=cell: compute(taught(), cell))

    def task(self) -> Task:
        """Labelled windows and who may see them, with an empty ledger."""
        suite, benchmark = self.suite, self.benchmark
        return Task(
            benchmark.windows,
            benchmark.classes,
            self.split,
            suite.draws,
            suite.seed,
            Ledger(benchmark.name),
            benchmark.parts(self.protocol),
            self.protocol.leaky,
        )

    def data(self) -> Data:
        """What a pretraining sees of the fold: subjects, also where the fold divides windows."""
        benchmark, protocol, split = self.benchmark, self.protocol, self.split
        store = benchmark.store
        if not protocol.by_subject:
            held_out = [name for name in split.test if name in store.subjects]
            split = split_subjects(store.subjects, held_out, protocol.validation, protocol.seed)
        return Data(
            str(benchmark.folder),
            None,
            benchmark.length / store.sample_rate,
            benchmark.stride / store.sample_rate,
            list(split.test),
            list(split.validation),
        )


@dataclass(frozen=True)
class FittedUnit:
    """A unit whose method has learned what it learns without labels.

    Parameters
    ----------
    unit : Unit
        Which.
    learned : Learned
        What the method gave.
    features : (N, F) array, optional
        Of the labelled windows.
    noted : DataFrame
        Provenance of the learning.
    cost : dict
        Of the learning and of the features.
    """

    unit: Unit
    learned: Representation
    features: np.ndarray | None
    noted: pd.DataFrame
    cost: dict[str, float]

    @classmethod
    def fit(cls, unit: Unit) -> "FittedUnit":
        """Let the method of a unit learn.

        Parameters
        ----------
        unit : Unit
            Which.
        """
        task = unit.task()
        began = time.perf_counter()
        stage = FoldAccess(task, unit.data(), unit.fingerprint, unit.out / "runs")
        learned = unit.suite.methods[unit.method].learn(stage)
        cost = {"seconds": learned.seconds or time.perf_counter() - began}
        began = time.perf_counter()
        features = learned.features(task.windows)
        if features is not None:
            cost["windows_per_second"] = len(features) / (time.perf_counter() - began)
            cost["features"] = features.shape[1]
        if learned.encoder is not None:
            cost["parameters"] = sum(each.numel() for each in learned.encoder.parameters())
        return cls(unit, learned, features, task.ledger.frame(), cost)

    def contender(self, head: str) -> Candidate:
        """The method under a head.

        Parameters
        ----------
        head : str
            One that the method is able to have.
        """
        learned = self.learned
        if head in learned.classifiers:
            return Candidate(self.windows, lambda _: learned.classifiers[head])
        found = find_head(head)
        if isinstance(found, FeatureHead) and self.features is not None:
            return Candidate(self.features, found.classifiers, found.sees_unlabelled)
        if isinstance(found, EncoderHead) and learned.encoder is not None:
            classifiers = found.classifiers(learned.encoder)
            return Candidate(self.windows, lambda _: classifiers)
        raise ValueError(f"{self.unit.method} gives nothing that the head {head!r} can read")

    @cached_property
    def windows(self) -> Float32[np.ndarray, "N C T"]:
        """The labelled windows, for heads that train an encoder along."""
        return all_of(self.unit.benchmark.windows)

    def draw(self, cell: Cell) -> dict[str, Any]:
        """Windows of the test subjects on the two main axes of their features.

        Parameters
        ----------
        cell : Cell
            Of the unit.
        """
        task = self.unit.task()
        test = np.random.default_rng(task.seed).permutation(task.where(task.split.test))[:N_POINTS]
        features = self.features
        if features is None:
            raise ValueError(
                f"{self.unit.method} gives no features to draw: give embed with what it learned, "
                "or set encodes = False in its class"
            )
        task.ledger.note("test", task.windows, test)
        points = np.zeros((len(test), 2))
        if len(test) > 1:
            points = PCA(2, random_state=0).fit_transform(features[test])
        return {
            "points": points.round(4).tolist(),
            "labels": [task.classes[label] for label in task.windows.labels[test]],
            "subjects": task.windows.subjects[test].tolist(),
            "provenance": self._provenance(task.ledger),
        }

    def segment(self, cell: Cell) -> dict[str, Any]:
        """Scores of a label for every sample of the test subjects, of all classes of the store.

        Parameters
        ----------
        cell : Cell
            Of the unit.
        """
        unit, suite, encoder = self.unit, self.unit.suite, self.learned.encoder
        if encoder is None:
            raise ValueError(
                f"{unit.method} gives no encoder for a segmentation: give one with what it "
                "learned, or set encodes = False in its class"
            )
        benchmark, split, ledger = unit.benchmark, unit.split, Ledger(unit.benchmark.name)
        stride = samples(suite.segmentation or 0, benchmark.store.sample_rate, "segmentation step")
        for role, subjects in (
            ("statistics", split.train),
            ("choice", (*split.train, *split.validation)),
            ("fitting", (*split.train, *split.validation)),
            ("test", split.test),
        ):
            streams = Windows.sliding(benchmark.store, benchmark.length, stride, subjects)
            ledger.note(role, streams)
        scores = segment(
            encoder,
            benchmark.store,
            split,
            benchmark.store.classes,
            benchmark.length,
            stride,
            seed=suite.seed,
        )
        return scores | {"provenance": self._provenance(ledger), "cost": self.cost}

    def _provenance(self, ledger: Ledger) -> list[dict[str, Any]]:
        """Of the learning and of what came after, as JSON can hold it."""
        return merged([self.noted, ledger.frame()]).to_dict("records")

    def score(self, cell: Cell) -> dict[str, Any]:
        """Result of a cell, as JSON can hold it.

        Parameters
        ----------
        cell : Cell
            Of the unit.
        """
        began = time.perf_counter()
        task, budget = self.unit.task(), parse_budget(cell.budget)
        contender = self.contender(cell.head)
        chosen, validation = contender.select(task, budget)
        counts = contender.evaluate(chosen, task, budget)
        cost = {"head_seconds": time.perf_counter() - began}
        cost["memory_mib"] = peak_memory(torch.device("cpu"))
        labels = task.windows.labels[task.where(task.trained)]
        return {
            "subjects": np.unique(task.side(task.split.test).subjects).tolist(),
            "untrained": [name for k, name in enumerate(task.classes) if k not in labels],
            "counts": counts.tolist(),
            "chosen": str(chosen),
            "validation_macro_f1": validation,
            "provenance": self._provenance(task.ledger),
            "cost": self.cost | cost,
        }
