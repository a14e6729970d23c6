"""The suite: datasets, methods and protocols, and the units into which they are divided.

A unit is a method with a seed on a fold of a dataset; its method learns once without labels. A cell
is a head and a label budget of a unit::

    suite = datasets × folds × methods × seeds × heads × budgets
            └────────────── unit ────────────┘
"""

import logging
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tsclr.bench.benchmark import Benchmark, Source
from tsclr.bench.cache import import_graph, source_digest
from tsclr.bench.methods.base import Method
from tsclr.bench.protocols import LeaveOneDatasetOut, Official, Protocol
from tsclr.bench.unit import Scoring, Unit, unit_key
from tsclr.data.splits import Budget, parse_budget
from tsclr.data.windows import samples
from tsclr.evaluate.task import Task
from tsclr.files import digest
from tsclr.specs import nearest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Suite:
    """Methods to compare, and how: on which datasets, under which heads, with how many labels.

    Parameters
    ----------
    datasets : list of str or Source
        Names that ``tsclr data list`` shows, or folders of labelled stores; or a `Source`, with a
        window and channels of its own.
    methods : dict of str to Method
        Methods by the name that results give them. The first is compared with every other one.
    heads : list of str
        Heads to train on the features, such as ``linear`` and ``knn``; the names of
        `tsclr.evaluate.heads.registered_heads`, or class paths of your own heads.
        A method may have other heads.
    budgets : list of int or str
        Label budgets: labels per class, shares (``10%``), or ``all``.
    draws : int
        Label draws for each budget.
    protocols : list of Protocol
        How subjects are held out; each protocol is scored by itself.
    segmentation : float, optional
        Also label every sample, by windows with this stride in s, and score segments.
    root : str, optional
        Folder with the archives of the datasets.
    seed : int
        Seed of the label draws.
    seeds : list of int, optional
        Learn every method that has a `seed` once with each of these instead; results pool them
        like label draws. What is random in a classifier follows the label draws, and with all
        labels it is fitted once for each of these.

    Raises
    ------
    ValueError
        If a list is empty or names something twice, or a head or budget does not exist.

    Examples
    --------
    >>> from tsclr.bench.methods import HandFeatures
    >>> suite = Suite(["synthetic"], {"hand features": HandFeatures()}, heads=["linear", "knn"])
    >>> suite.budgets
    [1, 5, 10, 50, 'all']
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
    seeds: list[int] | None = None

    def __post_init__(self) -> None:
        for name in ("datasets", "methods", "heads", "budgets", "protocols"):
            if not getattr(self, name):
                raise ValueError(f"the suite has no {name}: name at least one")
        if self.draws < 1:
            raise ValueError(f"draws is {self.draws}, it must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, it must be at least 0")
        if self.seeds is not None:
            if not self.seeds or min(self.seeds) < 0:
                raise ValueError(f"seeds are {self.seeds}: name at least one, and none below 0")
            check_unique("seed", self.seeds)
        if self.segmentation is not None and not self.segmentation > 0:
            raise ValueError(f"segmentation is {self.segmentation:g} s, it must be above 0")
        self._check_budgets()
        self._check_heads()

    def _check_budgets(self) -> None:
        """Raise unless every budget can be parsed, and no two mean the same."""
        spelling: dict[Budget, Any] = {}
        for budget in self.budgets:
            parsed = parse_budget(str(budget))
            if parsed in spelling:
                raise ValueError(
                    f"budgets {spelling[parsed]} and {budget} are the same: leave one out"
                )
            spelling[parsed] = budget

    def _check_heads(self) -> None:
        """Raise unless every method supports its heads."""
        for name, method in self.methods.items():
            heads = method.heads or self.heads
            check_unique(f"head of {name}", heads)
            for head in heads:
                if not method.supports(head):
                    hint = nearest(head, method.supported_heads())
                    raise ValueError(f"{name} does not support the head {head!r}: {hint}")

    @property
    def scoring(self) -> Scoring:
        """What all units have in common."""
        n_seeds = len(self.seeds or [0])
        return Scoring(self.heads, self.budgets, self.draws, self.segmentation, self.seed, n_seeds)

    def variants(self) -> Iterator[tuple[str, int | None, Method]]:
        """Each method by its name; once for each of the seeds, if it has a seed."""
        for name, method in self.methods.items():
            if self.seeds is None or not hasattr(method, "seed"):
                yield name, None, method
            else:
                yield from ((name, seed, with_seed(method, seed)) for seed in self.seeds)

    def units(self, out: Path) -> Iterator[Unit]:
        """Every unit; datasets that are absent or too small are reported before anything is run.

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
        import_graph.cache_clear()  # files may have been edited since the last suite
        for method in self.methods.values():
            method.check()
        sources = [
            Source(dataset) if isinstance(dataset, str) else dataset for dataset in self.datasets
        ]
        prepared = [Benchmark.prepare(source, out / "data", self.root) for source in sources]
        check_unique("dataset", [benchmark.name for benchmark in prepared])
        tasks = [
            (benchmark, protocol)
            for protocol in self.protocols
            for benchmark in datasets_of(protocol, prepared, out / "data")
        ]
        check_unique(
            "task", [f"{benchmark.name}, {protocol.name}" for benchmark, protocol in tasks]
        )
        # Asked once: a key reads the files of a config, a checkpoint or a class.
        variants = [
            (*variant, [variant[-1].key(), variant[-1].versions()]) for variant in self.variants()
        ]
        for benchmark, protocol in tasks:
            yield from self._units_of(benchmark, protocol, variants, out)

    def _units_of(
        self,
        benchmark: Benchmark,
        protocol: Protocol,
        variants: Sequence[tuple[str, int | None, Method, list[Any]]],
        out: Path,
    ) -> Iterator[Unit]:
        """Units of one dataset under one protocol, after all of its folds have been checked."""
        if self.segmentation is not None:
            samples(self.segmentation, benchmark.store.sample_rate, "segmentation step")
        groups = benchmark.groups(protocol)
        names = benchmark.store.subjects if groups is None else sorted(set(groups.tolist()))
        try:
            splits = protocol.splits(names, benchmark.test_subjects)
            for fold, split in splits.items():
                task = Task(
                    benchmark.windows, benchmark.classes, split, groups=groups, leaky=protocol.leaky
                )
                lacking = self._lacking_classes(task)
                if lacking:
                    unit = f"{benchmark.name}, {protocol.name}, {fold}"
                    log.warning(
                        "%s: no training subject has windows of class %s", unit, ", ".join(lacking)
                    )
        except ValueError as error:
            raise ValueError(f"{benchmark.name}, {protocol.name}: {error}") from error
        for fold, split in splits.items():
            for name, seed, method, key in variants:
                yield Unit(
                    self.scoring,
                    replace(benchmark),  # a copy without its open memory maps can be pickled
                    benchmark.fingerprint,
                    protocol,
                    fold,
                    split,
                    name,
                    method,
                    unit_key(self.scoring, benchmark, protocol, split, key),
                    out,
                    seed,
                )

    def _lacking_classes(self, task: Task) -> list[str]:
        """Classes that training lacks; raise where there is no test or a budget cannot be met.

        Without a budget per class such a class is allowed: it is never predicted, so it scores 0.
        """
        if not len(task.where(task.split.test)):
            raise ValueError(f"no window of the test subjects {task.split.test} has a label")
        lacking, (scarcest, fewest) = task.untrained(), task.scarcest()
        present = [name for name in task.classes if name not in lacking]
        if len(present) < 2:
            raise ValueError(
                f"the training subjects have windows of {present or 'no class'} only: at least "
                "two classes are needed"
            )
        budgets = [parse_budget(str(budget)) for budget in self.budgets]
        most = max((budget for budget in budgets if isinstance(budget, int)), default=0)
        if most and not fewest:
            raise ValueError(
                f"no training subject has windows of class {scarcest!r}, so no number of labels "
                "per class can be met: use shares or all as budgets, hold out others, or leave out "
                "what few people show, as in {name: DATASET, min_people: 3}"
            )
        if fewest < most:
            raise ValueError(
                f"a budget of {most} labels per class is more than the {fewest} training windows "
                f"of class {scarcest!r}: choose budgets up to {fewest}, or all"
            )
        return lacking


def datasets_of(protocol: Protocol, prepared: Sequence[Benchmark], data: Path) -> list[Benchmark]:
    """The datasets that a protocol names, or all; combined to one if they are left out in turns.

    Raises
    ------
    ValueError
        If it names a dataset that the suite lacks, or they cannot be combined.
    """
    by_name = {benchmark.name: benchmark for benchmark in prepared}
    for name in protocol.datasets or ():
        if name not in by_name:
            raise ValueError(f"{protocol.name}: no dataset {name!r}, {nearest(name, by_name)}")
    benchmarks = [by_name[name] for name in protocol.datasets or by_name]
    if not isinstance(protocol, LeaveOneDatasetOut):
        return [benchmark.arranged(protocol, data) for benchmark in benchmarks]
    identity = [(benchmark.name, benchmark.fingerprint) for benchmark in benchmarks]
    same = protocol.same or {}
    return [
        Benchmark.combine(benchmarks, data / digest(source_digest(Benchmark), identity, same), same)
    ]


def check_unique(kind: str, names: Sequence[Any]) -> None:
    """Raise ``ValueError`` if a name is listed twice: results of the two would be pooled.

    Examples
    --------
    >>> check_unique("head", ["linear", "knn", "linear"])
    Traceback (most recent call last):
    ValueError: head 'linear' is named twice: leave one out
    """
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValueError(f"{kind} {name!r} is named twice: leave one out")


def with_seed(method: Method, seed: int) -> Method:
    """A copy of a method with another seed.

    Examples
    --------
    >>> from tsclr.bench.methods import Hydra
    >>> with_seed(Hydra(), 2).seed
    2
    """
    twin: Any = copy(method)
    twin.seed = seed
    return twin
