"""Scores of one run with few labels: a suite of its encoder and of baselines that need no training.

The suite scores the run, the same encoder before training, and hand-crafted features on one fold of
one dataset. So a run has the same scores here as in any other suite.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.progress import track

from tsclr import datasets
from tsclr.audit import ledger
from tsclr.audit.certificates import leaks
from tsclr.bench.benchmark import Benchmark, Source
from tsclr.bench.fitted import run_unit
from tsclr.bench.methods import FromRun, HandFeatures, Method, RandomInitFromRun
from tsclr.bench.protocols import GivenSubjects, Official, Protocol
from tsclr.bench.results import collect_results, save
from tsclr.bench.seen import check_unseen, was_pretrained_on
from tsclr.bench.suite import Suite
from tsclr.data.settings import MEMORY
from tsclr.data.splits import Split, parse_budget, split_subjects
from tsclr.embed.checkpoint import Checkpoint
from tsclr.evaluate.heads import FeatureHead, find_head
from tsclr.evaluate.task import Task
from tsclr.specs import nearest

PRETRAINED, RANDOM, HAND = METHODS = "pretrained", "random-init", "hand features"
TEST_SHARE = 0.3
"""Share of the subjects that is tested where neither the run nor the dataset names any."""

log = logging.getLogger(__name__)


def probe(
    run: Path,
    dataset: str | None = None,
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
    """Score the encoder of a run, the same encoder untrained, and hand-crafted features.

    Parameters
    ----------
    run : Path
        Run folder or checkpoint.
    dataset : str, optional
        Folder of a labelled store, or name of a dataset; that of the run by default.
    root : str, optional
        Folder with the archive of the dataset.
    budgets : sequence of str
        Label budgets: labels per class, shares (``10%``), or ``all``.
    draws : int
        Label draws for each budget.
    heads : sequence of str
        Heads to train on the features, such as ``linear`` and ``knn``; the names of
        `tsclr.evaluate.heads.registered_heads`, or class paths of your own heads.
    whiten : bool
        Also score each method after pair whitening, fitted on unlabelled training streams.
    classes : sequence of str, optional
        Classes to tell apart; those the dataset is scored on, or all of a store, by default.
    test : sequence of str, optional
        Test subjects. By default those that the run left out, if it was trained on this dataset;
        otherwise those that the dataset documents, or 30 % of the subjects.
    seed : int
        Seed of the label draws.
    methods : sequence of str
        Methods to score, of ``pretrained``, ``random-init`` and ``hand features``.

    Returns
    -------
    dict
        As ``results.json`` of a suite, with ``rows`` for each method, head and budget, and
        ``units`` with the split, the provenance and the certificate of each method. Where the data
        of the pretraining are gone the certificate is None, and ``uncertified`` says why. Also
        ``classes``, ``n_train_windows`` and ``n_test_windows``.

    Raises
    ------
    LeakError
        If the encoder has seen a test subject.
    ValueError
        If the data do not fit the encoder, or every budget exceeds a class. Some budgets that are
        too large are left out with a warning.
    """
    checkpoint = Checkpoint.load(run)
    budgets, heads, methods = (_listed(names) or [] for names in (budgets, heads, methods))
    _check_names(methods, heads)
    source = Source(dataset or _source_of(checkpoint), classes=_listed(classes))
    with TemporaryDirectory() as folder:
        out = Path(folder)
        source, benchmark = _fitting(source, checkpoint, out / "data", root)
        protocol = _protocol(checkpoint, benchmark, _listed(test))
        (split,) = protocol.splits(benchmark.store.subjects, benchmark.test_subjects).values()
        if PRETRAINED in methods:  # whatever else is wrong, this comes first
            check_unseen(checkpoint, benchmark.store, benchmark.source, split.test)
        suite = Suite(
            [source],
            _methods(run, heads, whiten, methods),
            heads,
            _affordable(budgets, benchmark, split),
            draws,
            [protocol],
            root=root,
            seed=seed,
        )
        units = list(suite.units(out))
        for unit in track(units, "scoring"):
            run_unit(unit)
        results = collect_results(suite, units)
        task = units[0].task()
    for unit in results["units"]:
        if leaked := leaks(ledger.frame_of(unit["provenance"]["rows"])):
            log.warning("the test has leaked, do not trust the scores: %s", leaked[0])
    return results | {
        "classes": list(task.classes),
        "n_train_windows": len(task.where(task.trained)),
        "n_test_windows": len(task.where(task.split.test)),
    }


def write_scores(path: Path, results: dict[str, Any]) -> None:
    """Write the results of `probe` as JSON, and their provenance to a folder next to it.

    The provenance of ``scores.json`` is in ``scores.provenance/``, a Parquet file for each method.
    ``tsclr bench audit scores.json`` checks the results against them.

    Parameters
    ----------
    path : Path
        JSON file to replace.
    results : dict
        From `probe`.
    """
    save(results, path, f"{path.name.removesuffix('.json')}.provenance")


def _check_names(methods: Sequence[str], heads: Sequence[str]) -> None:
    """Raise ``ValueError`` unless there are methods and heads, and all methods exist."""
    for kind, names in (("methods", methods), ("heads", heads)):
        if not names:
            raise ValueError(f"no {kind} are given: name at least one")
    for name in methods:
        if name not in METHODS:
            raise ValueError(f"no method {name!r}: {nearest(name, METHODS)}")


def _listed(names: Sequence[str] | str | None) -> list[str] | None:
    """Names as a list; a string is a comma list, as on the command line."""
    if isinstance(names, str):
        return [name.strip() for name in names.split(",")]
    return None if names is None else list(names)


def _source_of(checkpoint: Checkpoint) -> str:
    """What a run was pretrained on, by which it can be opened again."""
    if checkpoint.settings["place"] == MEMORY:
        raise ValueError(
            "the run was trained on a store in memory, which is gone: write the store to a folder "
            "(store.write) and name that folder as the dataset"
        )
    source = str(checkpoint.settings["data"]["source"])
    if not Path(source).is_dir():
        try:
            datasets.find(source)
        except KeyError:
            raise ValueError(
                f"the run was trained on {source!r}, which is no folder and no public dataset; a "
                "run of a suite does not record the folder of a store: name it as the dataset"
            ) from None
    return source


def _affordable(budgets: Sequence[str], benchmark: Benchmark, split: Split) -> list[Any]:
    """The budgets that every class can meet, or all where that is none: the suite refuses them."""
    scarcest, most = Task(benchmark.windows, benchmark.classes, split).scarcest()
    parsed = {budget: parse_budget(str(budget)) for budget in budgets}
    kept = [
        name for name, budget in parsed.items() if not isinstance(budget, int) or budget <= most
    ]
    left_out = [str(name) for name in parsed if name not in kept]
    if kept and left_out:
        log.warning(
            "left out the budgets %s: class %r has only %d training windows",
            ", ".join(left_out),
            scarcest,
            most,
        )
    return kept or list(budgets)


def _fitting(
    source: Source, checkpoint: Checkpoint, data: Path, root: str | None
) -> tuple[Source, Benchmark]:
    """The dataset with windows as long as those of the run; the documented ones if they are."""
    spec, benchmark = checkpoint.input_spec, Benchmark.prepare(source, data, root)
    spec.check_stream(benchmark.store.channels, benchmark.store.sample_rate)
    if benchmark.length == spec.length:
        return source, benchmark
    source = Source(source.name, spec.length / spec.sample_rate, classes=source.classes)
    return source, Benchmark.prepare(source, data, root)


def _protocol(checkpoint: Checkpoint, benchmark: Benchmark, test: Sequence[str] | None) -> Protocol:
    """The split of the run on its own dataset; elsewhere that of the dataset or a random one."""
    split = checkpoint.split
    if test is not None:
        return GivenSubjects(list(test))
    if split.test and was_pretrained_on(checkpoint, benchmark.store, benchmark.source):
        return GivenSubjects(list(split.test), validation=list(split.validation))
    if benchmark.test_subjects:
        return Official()
    labelled = sorted(set(benchmark.windows.subjects.tolist()))
    return GivenSubjects(list(split_subjects(labelled, TEST_SHARE).test))


def _methods(
    run: Path, heads: Sequence[str], whiten: bool, names: Sequence[str]
) -> dict[str, Method]:
    """The methods under the heads that they support; whitened ones are not trained along."""
    frozen = [head for head in heads if isinstance(find_head(head), FeatureHead)]
    methods: dict[str, Method] = {}
    for name in names:
        for whitened in (False, True) if whiten else (False,):
            supported = frozen if whitened or name == HAND else heads
            if supported:
                label = f"{name}, whitened" if whitened else name
                methods[label] = _method(name, str(run), whitened, supported)
    if not methods:
        raise ValueError(f"{HAND} support none of the heads {', '.join(heads)}: add linear or knn")
    return methods


def _method(name: str, run: str, whiten: bool, heads: Sequence[str]) -> Method:
    """One of `METHODS`."""
    if name == HAND:
        return HandFeatures(whiten, heads)
    kind = FromRun if name == PRETRAINED else RandomInitFromRun
    return kind(run, whiten, heads)
