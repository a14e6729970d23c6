"""Units and cells: what a suite consists of, and the names of the files that keep the results."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tsclr.audit.ledger import Ledger
from tsclr.bench.benchmark import Benchmark
from tsclr.bench.cache import source_digest, source_hashes
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
        return self.fold if self.seed is None else f"{self.fold}, seed {self.seed}"

    @property
    def protocol_name(self) -> str:
        """The protocol as results name it: with the fold, if each fold is a test by itself."""
        return self.protocol.name if self.protocol.pooled else f"{self.protocol.name}: {self.fold}"

    @cached_property
    def label(self) -> str:
        """The method as results name it, with its remarks."""
        remarks = self.method.remarks
        return f"{self.method_name} ({', '.join(remarks)})" if remarks else self.method_name

    @property
    def cells(self) -> list[Cell]:
        """Every head at every budget, and the plot and the segmentation if there are any."""
        scoring, method = self.scoring, self.method
        names = [
            (head, str(budget))
            for head in method.heads or scoring.heads
            for budget in scoring.budgets
        ]
        if method.encodes:
            names.append((EMBEDDING, "test"))
        if scoring.segmentation and method.segments and self.protocol.by_subject:
            names.append((SEGMENTATION, f"{scoring.segmentation:g} s"))
        return [Cell(head, budget, self._path(head, budget)) for head, budget in names]

    def _path(self, head: str, budget: str) -> Path:
        """File of a cell; of a head of the user's own the source counts too."""
        # The heads of tsclr are part of the source digest already.
        is_class_path = "." in head
        sources = [source_hashes(type(find_head(head)))] if is_class_path else []
        return self.out / "cells" / f"{digest(self.key, head, budget, *sources)}.json"

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
            str(benchmark.folder),
            None,
            benchmark.length / store.sample_rate,
            benchmark.stride / store.sample_rate,
            list(split.test),
            list(split.validation),
        )


def unit_key(
    scoring: Scoring, benchmark: Benchmark, protocol: Protocol, split: Split, method_key: list[Any]
) -> str:
    """Hash of all that the result of a unit depends on, the code and its packages included."""
    return digest(
        source_digest(),
        benchmark.name,
        benchmark.fingerprint,
        scoring.draws,
        scoring.seed,
        scoring.n_seeds,
        asdict(split),
        spec_of(protocol),
        source_hashes(type(protocol)),
        method_key,
    )
