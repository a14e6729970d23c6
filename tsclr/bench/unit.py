"""Units and cells: what a suite consists of, and the names of the files that keep the results."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from tsclr.audit.ledger import Ledger
from tsclr.bench.access import FoldAccess
from tsclr.bench.benchmark import Benchmark
from tsclr.bench.cache import source_digest
from tsclr.bench.methods.base import Method
from tsclr.bench.protocols import Protocol
from tsclr.data.settings import Data
from tsclr.data.splits import Split, split_subjects
from tsclr.evaluate.heads import find_head
from tsclr.evaluate.task import Task
from tsclr.files import digest
from tsclr.specs import spec_of

SEGMENTATION, EMBEDDING = "segmentation", "embedding"
"""Instead of a head, in the cells that label every sample and that plot the features."""
RUNS_UNITS = "tsclr.bench.fitted"
"""The module that computes cells, which imports whatever all of them depend on."""


@dataclass(frozen=True)
class Scoring:
    """How every unit of a suite is scored: arguments of `Suite`, and how many seeds it has."""

    heads: Sequence[str]
    budgets: Sequence[int | str]
    draws: int
    segmentation: float | None
    seed: int
    n_seeds: int


@dataclass(frozen=True)
class Cell:
    """A head and a label budget of a unit.

    Parameters
    ----------
    head, budget : str
        As the suite names them.
    path : Path
        File of the result, named by a hash of all that the result depends on.
    """

    head: str
    budget: str
    path: Path


@dataclass(frozen=True)
class Unit:
    """A method on a fold of a dataset; its method learns once for all of its cells.

    `seed` is that of the method, if the suite repeats methods with several.
    """

    scoring: Scoring
    benchmark: Benchmark
    fingerprint: str
    protocol: Protocol
    fold: str
    split: Split
    method_name: str
    method: Method
    key: str
    out: Path
    seed: int | None = None

    @property
    def name(self) -> str:
        """For messages and for the file of its provenance."""
        task = f"{self.benchmark.name}, {self.protocol.name}"
        return f"{task}, {self.fold_and_seed}, {self.method_name}"

    @property
    def fold_and_seed(self) -> str:
        """What tells the units of a method on a task apart."""
        return fold_and_seed(self.fold, self.seed)

    @property
    def protocol_name(self) -> str:
        """The protocol as results name it."""
        return self.protocol.name_with(self.fold)

    @cached_property
    def label(self) -> str:
        """The method as results name it, and that it sees more than other methods."""
        method = self.method
        # What grants it the sight of more is what the remark is made of, so none goes unnamed.
        granted = {"transductive": method.transductive, "reads all labels": method.reads_labels}
        remarks = [remark for remark, is_granted in granted.items() if is_granted]
        return f"{self.method_name} ({', '.join(remarks)})" if remarks else self.method_name

    @property
    def cells(self) -> list[Cell]:
        """Every head at every budget, and the plot and the segmentation if there are any."""
        names = cell_names(self.scoring, self.method, self.protocol.by_subject)
        return [Cell(head, budget, self._path(head, budget)) for head, budget in names]

    def _path(self, head: str, budget: str) -> Path:
        """File of a cell, whose name also counts the source of its head."""
        is_built_in = head in (SEGMENTATION, EMBEDDING, *self.method.own_heads)
        source = "" if is_built_in else source_digest(type(find_head(head)))
        return self.out / "cells" / f"{digest(self.key, head, budget, source)}.json"

    def task(self) -> Task:
        """Labelled windows and their split, with an empty ledger."""
        return Task(
            self.benchmark.windows,
            self.benchmark.classes,
            self.split,
            self.scoring.draws,
            self.scoring.seed,
            Ledger(self.benchmark.name),
            self.benchmark.groups(self.protocol),
            self.protocol.leaky,
            self.scoring.n_seeds,
        )

    def data(self) -> Data:
        """The fold as a pretraining reads it; it is by subject even if the fold divides windows."""
        benchmark, protocol, split = self.benchmark, self.protocol, self.split
        store = benchmark.store
        if not protocol.by_subject:
            held_out = [name for name in split.test if name in store.subjects]
            split = split_subjects(store.subjects, held_out, protocol.validation, protocol.seed)
        return Data(
            store,
            None,
            benchmark.length / store.sample_rate,
            benchmark.stride / store.sample_rate,
            list(split.test),
            list(split.validation),
        )

    def access(self) -> FoldAccess:
        """What the method gets of the fold: nothing in it holds a label, or the path of one."""
        benchmark, data, method = self.benchmark, self.data(), self.method
        blank = benchmark.store.without_labels(self._readable() if method.reads_labels else None)
        return FoldAccess(
            replace(data, source=replace(blank, source=benchmark.alias)),
            self.split,
            self.protocol.by_subject,
            method.transductive,
            self.fingerprint,
            self.out / "runs",
            self.scoring.seed,
        )

    def _readable(self) -> Bool[np.ndarray, " total_T"]:
        """Samples whose label a method may read that says so: those of training windows."""
        store, split = self.data().open()
        readable = np.zeros(len(store.signal), bool)
        table = store.recordings.loc[store.recordings["subject"].isin(split.train)]
        for start, length in zip(table["start"], table["length"], strict=True):
            readable[start : start + length] = True
        if not self.protocol.by_subject:  # streams of training subjects hold windows of all groups
            others = self.task().side((*self.split.validation, *self.split.test))
            for start in others.starts:
                readable[start : start + others.length] = False
        return readable


def cell_names(scoring: Scoring, method: Method, by_subject: bool) -> list[tuple[str, str]]:
    """Head and budget of each cell of a unit; the plot and the segmentation come last."""
    names = [
        (head, str(budget)) for head in method.heads or scoring.heads for budget in scoring.budgets
    ]
    if method.encodes:
        names.append((EMBEDDING, "test"))
    if scoring.segmentation and method.segments and by_subject:
        names.append((SEGMENTATION, f"{scoring.segmentation:g} s"))
    return names


def fold_and_seed(fold: str, seed: int | None) -> str:
    """What tells the units of a method on a task apart.

    Examples
    --------
    >>> fold_and_seed("fold 1", None), fold_and_seed("fold 1", 2)
    ('fold 1', 'fold 1, seed 2')
    """
    return fold if seed is None else f"{fold}, seed {seed}"


def unit_key(
    scoring: Scoring, benchmark: Benchmark, protocol: Protocol, split: Split, method_key: list[Any]
) -> str:
    """Hash of all that the result of a unit depends on, except for the head; code included."""
    return digest(
        source_digest(RUNS_UNITS, type(protocol)),
        benchmark.name,
        benchmark.fingerprint,
        scoring.draws,
        scoring.seed,
        scoring.n_seeds,
        asdict(split),
        spec_of(protocol),
        method_key,
    )
