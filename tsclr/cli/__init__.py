"""Words of a command line in, one call of the package out.

Each command is a function below; its signature gives the options, its docstring the help. Modules
that are slow to import are imported by the command that needs them.
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsclr.audit.windows import Finding
    from tsclr.config.parser import Parser

COMMANDS: dict[str, Callable[[list[str]], None]] = {}
USAGE, FAILED = 2, 1
WIDE = 200
"""Columns of a table that is written to a file or to another program."""


class _Lines(logging.Handler):
    """Log lines on what standard error is by then: a progress bar puts them above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        _note(self.format(record))


def command(function: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
    """Make `function` a command of its name."""
    COMMANDS[function.__name__] = function
    return function


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    words : sequence of str, optional
        The command line, without the program; that of the process by default.

    Returns
    -------
    int
        0 if all is well, 1 if the command failed, 2 if it was not understood.
    """
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in ("-h", "--help"):
        _say(_overview())
        return 0 if words else USAGE
    if words[0] == "--version":
        from tsclr import __version__

        _say(__version__)
        return 0
    if words[0] not in COMMANDS:
        from tsclr.specs import nearest

        _complain(f"no command {words[0]!r}: {nearest(words[0], COMMANDS)}")
        return USAGE
    if "WORLD_SIZE" in os.environ:  # torch remarks on a setting of DDP that is meant
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # for classes of a user's own; spawned processes get it as well
    level = logging.INFO if is_first_process() else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[_Lines()])
    return _guarded(COMMANDS[words[0]], words[1:], debug)


def _guarded(function: Callable[[list[str]], None], words: list[str], debug: bool) -> int:
    """Run a command; a user's mistake becomes one line, unless they want to see all."""
    try:
        function(words)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FAILED
    except KeyboardInterrupt:
        _complain("interrupted; run the command again to go on")
        return 130
    except (ValueError, LookupError, OSError, ArithmeticError) as error:
        if debug:
            raise
        from tsclr.config.parser import without_unions

        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        _complain(without_unions(str(text)))
        return FAILED
    return 0


@command
def ingest(words: list[str]) -> None:
    """Read raw logs (CSV, Parquet) into a store."""
    parser = _parser(ingest)
    parser.add_argument("paths", nargs="+", type=Path, help="log files, or folders of them")
    parser.add_argument("--config", action="config", help="YAML with any of these options")
    parser.add_argument("--out", type=Path, required=True, help="folder of the store")
    parser.add_argument(
        "--rate", type=float | None, help="rate of the store, Hz (default: that of the first log)"
    )
    _describe_logs(parser)
    given = parser.parse_args(words)
    from rich.progress import track

    from tsclr.data.ingest import ingest as run
    from tsclr.readers import find_files

    reader = _reader(given)
    files = find_files(given.paths, reader.suffixes)
    store = run(reader, track(files, "ingesting"), given.out, given.rate)
    from tsclr.report.tables import about_store
    from tsclr.types import UNITS

    units = ", ".join(f"{name} {unit}" for name, unit in (UNITS | (reader.units or {})).items())
    _say(f"store: {given.out}\n{about_store(store)}\nread as: {units}")


@command
def data(words: list[str]) -> None:
    """List the public datasets, or fetch one: data list, data fetch NAME."""
    parser = _parser(data)
    parser.add_argument("action", choices=["list", "fetch"], help="what to do")
    parser.add_argument("name", nargs="?", help="dataset to fetch")
    parser.add_argument(
        "--root", type=str | None, help="folder for archives (default: $TSCLR_DATA, else a cache)"
    )
    given = parser.parse_args(words)
    from tsclr import datasets

    if given.action == "list":
        from tsclr.report.tables import about_datasets

        _say_table(about_datasets())
    elif given.name is None:
        parser.error("data fetch needs the name of a dataset: see `tsclr data list`")
    else:
        _say(str(datasets.find(given.name)(given.root).fetch()))


@command
def pretrain(words: list[str]) -> None:
    """Learn an encoder from unlabelled streams: pretrain CONFIG.yaml --out RUN."""
    parser = _parser(pretrain)
    from tsclr.config.pretraining import parse_pretraining
    from tsclr.train.pretrain import pretrain as run

    parser.add_argument("--config", action="config", help="YAML with any of these options")
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    parser.add_argument("--compile", action="store_true", help="short for --training.compile true")
    settings = vars(parse_pretraining(parser, words, skip={"resume"}))
    settings.pop("config")
    settings["training"].compile |= settings.pop("compile")
    _say(f"run: {run(**settings)}")


@command
def probe(words: list[str]) -> None:
    """Score a run with few labels, beside baselines: probe RUN --dataset NAME."""
    parser = _parser(probe)
    from tsclr.bench.probe import METHODS
    from tsclr.evaluate.heads import registered_heads

    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument(
        "--dataset", type=str | None, help="dataset or folder of a store (default: that of the run)"
    )
    parser.add_argument("--root", type=str | None, help="folder with the archive of the dataset")
    parser.add_argument(
        "--budgets", default="1,5,10,50,all", help="labels a class, shares (10%%) or all"
    )
    parser.add_argument("--draws", type=int, default=5, help="draws of labels for each budget")
    parser.add_argument(
        "--heads", default="linear,knn", help=f"any of {', '.join(registered_heads())}"
    )
    parser.add_argument(
        "--whiten", action="store_true", help="score each method after pair whitening as well"
    )
    parser.add_argument(
        "--methods", default=",".join(METHODS), help="of these, which to score (default: all)"
    )
    parser.add_argument("--classes", type=str | None, help="classes to tell apart, comma-separated")
    parser.add_argument("--test", type=str | None, help="test subjects, comma-separated")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws")
    parser.add_argument(
        "--json", type=Path | None, help="file for the results; their provenance goes beside it"
    )
    given = parser.parse_args(words)
    from tsclr.bench.probe import probe as run
    from tsclr.bench.probe import write_scores

    results = run(
        given.run,
        dataset=given.dataset,
        root=given.root,
        budgets=_listed(given.budgets),
        draws=given.draws,
        heads=_listed(given.heads),
        whiten=given.whiten,
        classes=_listed(given.classes) or None,
        test=_listed(given.test) or None,
        seed=given.seed,
        methods=_listed(given.methods),
    )
    if given.json:
        write_scores(given.json, results)
    from tsclr.report.tables import by_budget

    _say_table(by_budget(results["rows"]))


@command
def bench(words: list[str]) -> None:
    """Score a suite of methods and datasets, or check for leaks: bench SUITE.yaml, bench audit."""
    if words[:1] == ["audit"]:
        _audit(words[1:])
        return
    parser = _parser(bench)
    from tsclr.bench.methods import Method
    from tsclr.bench.protocols import Protocol
    from tsclr.bench.suite import Suite

    parser.kinds = (Method, Protocol)
    parser.add_argument("--config", action="config", help="YAML with any of these options")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="processes, one thread each"
    )
    parser.add_class_arguments(Suite)
    if words and not words[0].startswith("-"):
        words = ["--config", *words]
    given = vars(parser.instantiate(parser.parse_args(words)))
    from tsclr.bench.runner import bench as run

    suite = Suite(**{each.name: given[each.name] for each in fields(Suite)})
    _say(str(run(suite, given["out"], given["jobs"])))


def _audit(words: list[str]) -> None:
    """Check results of a suite or a probe, or windows and a split of somebody else, for leaks."""
    parser = _parser(_audit, "bench audit")
    parser.add_argument(
        "results", nargs="?", type=Path | None, help="folder of a suite, or JSON of a probe"
    )
    parser.add_argument("--windows", type=Path | None, help="(N, C, T) array, a .npy file")
    parser.add_argument("--subjects", type=Path | None, help="(N,) subject of each, a .npy file")
    parser.add_argument("--split", type=Path | None, help="(N,) train, validation or test, .npy")
    given = parser.parse_args(words)
    from tsclr.audit.results import audit_results
    from tsclr.audit.windows import audit_windows, load_windows, visible_overlap

    arrays = given.windows, given.subjects, given.split
    if given.results:
        checked = audit_results(given.results)
        _say_table(checked)
        n_leaky = int(checked["holds"].str.startswith("nothing").sum())
        but = f", beside {n_leaky} of protocols that are said to leak" if n_leaky else ""
        n_clean = len(checked) - n_leaky
        _say(f"no leak found in {n_clean} unit{'s' * (n_clean != 1)}{but}")
    elif None in arrays:
        parser.error("name results, or all of --windows, --subjects and --split")
    else:
        windows, subjects, split = load_windows(*arrays)
        findings = audit_windows(windows, subjects, split)
        _judge(findings, windows.shape, visible_overlap(windows))


def _judge(findings: "list[Finding]", shape: tuple[int, ...], visible: int) -> None:
    """Tell what an audit of windows found; a leak is a failure, a suspicion is not."""
    from tsclr.data.splits import LeakError

    told = list(map(str, findings))
    if any(not finding.suspicion for finding in findings):
        raise LeakError("\n".join(told))
    unseen = f"of fewer than {visible} of {shape[2]} samples"
    if visible > shape[2]:
        unseen = "where as little changes as in most of these windows"
    told += [
        f"no leak found in {shape[0]:,} windows of {shape[1]} channels and {shape[2]} samples; "
        f"overlaps {unseen}, or of windows that were normalised or padded one by one, would not be "
        "seen"
    ]
    _say("\n".join(told))


@command
def runs(words: list[str]) -> None:
    """List and compare the runs in a folder: runs DIR --plot runs.html."""
    parser = _parser(runs)
    parser.add_argument("folder", type=Path, help="a run folder, or one with runs in it")
    parser.add_argument("--plot", type=Path | None, help="page with their curves to write")
    given = parser.parse_args(words)
    from tsclr.explore.runs import compare, find_runs, write_comparison
    from tsclr.report.tables import about_runs

    found = find_runs(given.folder)
    _say_table(about_runs(compare(found)))
    if given.plot:
        _say(str(write_comparison(found, given.plot)))


@command
def embed(words: list[str]) -> None:
    """Write a vector for each window: embed RUN STORE_OR_LOGS --out vectors.parquet."""
    parser = _parser(embed)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("source", nargs="+", help="a store, a dataset, or log files")
    parser.add_argument("--config", action="config", help="YAML with any of these options")
    parser.add_argument("--out", type=Path, required=True, help="Parquet file to write")
    parser.add_argument(
        "--stride", type=float | None, help="from window to window, s (default: one window)"
    )
    parser.add_argument("--whiten", action="store_true", help="apply the run's pair whitening")
    parser.add_argument("--root", type=str | None, help="folder with the archive of the dataset")
    _describe_logs(parser)
    given = parser.parse_args(words)
    from tsclr.data.windows import samples
    from tsclr.embed.embedder import Embedder, write_vectors

    embedder = Embedder.load(given.run, given.whiten)
    spec = embedder.input_spec_
    store = _open_source(given, spec.sample_rate)
    stride = spec.length if given.stride is None else samples(given.stride, spec.sample_rate)
    n_windows = write_vectors(embedder, store, stride, given.out)
    _say(f"{n_windows:,} windows, {embedder.encoder_.num_features} features: {given.out}")


@command
def views(words: list[str]) -> None:
    """Draw the views of a pipeline, or rank them without labels: views CONFIG.yaml [--advise]."""
    parser = _parser(views)
    from tsclr.config.pretraining import parse_pretraining
    from tsclr.explore.advise import EPOCHS

    parser.add_argument("--config", action="config", help="YAML of a pretraining")
    parser.add_argument(
        "--dataset", type=str | None, help="dataset or folder of a store (default: data.source)"
    )
    parser.add_argument("--root", type=str | None, help="folder with the archive of the dataset")
    parser.add_argument(
        "--out",
        type=Path | None,
        help="page to write, or folder of --advise (default: gallery.html, advice)",
    )
    parser.add_argument("--windows", type=int, default=3, help="windows to draw")
    parser.add_argument("--seed", type=int, default=0, help="seed of the windows and the views")
    parser.add_argument(
        "--advise",
        action="store_true",
        help="rank each view and each pair by short pretrainings, without labels (minutes)",
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of each run of --advise")
    parser.add_argument("--seeds", type=int, default=1, help="runs for each view of --advise")
    given = parse_pretraining(parser, words, skip={"resume", "out"})
    from tsclr.explore.gallery import gallery, on_dataset

    given.data = on_dataset(given.data, given.dataset, given.root)
    if given.advise:
        _advise(given)
        return
    out = given.out or Path("gallery.html")
    _say(str(gallery(given.data, given.views, out, given.windows, given.seed)))


@command
def demo(words: list[str]) -> None:
    """Simulate raw logs, pretrain, probe with few labels, embed, and write report.html."""
    parser = _parser(demo)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulation and training")
    given = parser.parse_args(words)
    from tsclr.demo import demo as run

    _say(str(run(given.out, given.seed)))


def _advise(given: Any) -> None:
    """Rank the views of a pipeline and keep the ranking beside the runs."""
    from tsclr.explore.advise import advise
    from tsclr.report.tables import about_views

    out = given.out or Path("advice")
    advice = advise(
        given.data,
        given.encoder,
        given.objective,
        given.views,
        given.pairing,
        given.training,
        out,
        given.epochs,
        given.seeds,
    )
    _write_json(
        out / "advice.json",
        {"ranking": advice.table.to_dict("records"), "recommendation": advice.recommendation},
    )
    _say_table(about_views(advice.table))
    _say(f"{advice.recommendation}\nranking: {out / 'advice.json'}")


def _describe_logs(parser: "Parser") -> None:
    """Options that say what the columns of a log are."""
    from tsclr.readers import Tabular

    parser.add_class_arguments(Tabular, as_positional=False)


def _reader(given: Any) -> Any:
    """The reader that the options of `_describe_logs` describe."""
    import inspect

    from tsclr.readers import Tabular

    return Tabular(**{name: given[name] for name in inspect.signature(Tabular).parameters})


def _open_source(given: Any, sample_rate: float) -> Any:
    """The store or dataset that ``source`` names, or one in memory made of log files."""
    from tsclr.data.store import TABLE, Store
    from tsclr.readers import find_files

    first = Path(given.source[0])
    if len(given.source) == 1 and ((first / TABLE).exists() or not first.exists()):
        return Store.load(given.source[0], given.root)
    reader = _reader(given)
    files = find_files([Path(path) for path in given.source], reader.suffixes)
    return Store.build((r for file in files for r in reader.read(file)), sample_rate)


def _parser(function: Callable[[list[str]], None], name: str | None = None) -> "Parser":
    """Parser of one command, called as its function, described by its docstring."""
    from tsclr.config.parser import Parser

    return Parser(prog=f"tsclr {name or function.__name__}", description=function.__doc__)


def is_first_process() -> bool:
    """Whether this is the only process, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def _listed(text: str | None) -> list[str]:
    """Words between commas."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _overview() -> str:
    """Help of the program."""
    lines = [f"  {name:<9} {function.__doc__}" for name, function in COMMANDS.items()]
    return (
        "usage: tsclr COMMAND [options]\n\n"
        "Contrastive self-supervised learning on wearable sensor logs.\n\n"
        + "\n".join(lines)
        + "\n\ntsclr COMMAND --help tells more; --debug shows where an error arose."
    )


def _write_json(path: Path, value: Any) -> None:
    """Write JSON in one step."""
    import json

    from tsclr.files import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2))


def _say_table(table: Any) -> None:
    """Print a DataFrame for people."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    shown = Table(*map(str, table.columns), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in table.itertuples(index=False):
        shown.add_row(*map(str, row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(shown)


def _say(text: str) -> None:
    """Print a result, once where torchrun started several processes."""
    if is_first_process():
        print(text)  # noqa: T201


def _complain(text: str) -> None:
    """Print an error."""
    _note(f"tsclr: {text}")


def _note(text: str) -> None:
    """Print what is no result."""
    print(text, file=sys.stderr)  # noqa: T201
