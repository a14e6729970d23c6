"""``tsclr embed``, ``views`` and ``demo``: encoders in use, views to look at, the whole path."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsclr.cli.command import CHANGES, Given, command
from tsclr.cli.data import ROOT, log_options, reader_of
from tsclr.cli.learn import CLASSES, setting_options
from tsclr.cli.output import say, say_next, say_table

if TYPE_CHECKING:
    from tsclr.config.options import Option
    from tsclr.data.store import Store


def _embed_options() -> "list[Option]":
    from tsclr.config.options import REQUIRED, Option

    source = "A store, a dataset, or log files"
    return [
        Option("run", Path, "Run folder", REQUIRED, positional=True),
        Option("source", str, source, REQUIRED, positional=True, many=True),
        Option("out", Path, "Parquet file to write", REQUIRED),
        Option("stride", float | None, "From window to window, s; one window by default"),
        Option("whiten", bool, "Apply the pair whitening of the run", False),
        Option("root", str | None, ROOT),
        *log_options(),
    ]


@command(
    "embed",
    _embed_options,
    (
        "embed runs/a store --out vectors.parquet",
        "embed runs/a store --out vectors.parquet --stride 1.28",
        "embed runs/a new_logs --out vectors.parquet --config logs.yaml",
    ),
    "out stride whiten root columns units time subject label config",
)
def embed(given: Given) -> None:
    """Write the features of each window, a row of a Parquet file each.

    Logs are read with the options of tsclr ingest.
    """
    from tsclr.data.windows import samples
    from tsclr.embed.embedder import Embedder
    from tsclr.embed.vectors import write_vectors

    embedder = Embedder.load(given["run"], given["whiten"])
    spec = embedder.input_spec_
    store = _open(given, spec.sample_rate)
    stride = given["stride"]
    step = spec.length if stride is None else samples(stride, spec.sample_rate)
    n_windows = write_vectors(embedder, store, step, given["out"])
    say(f"{n_windows:,} windows, {embedder.encoder_.num_features} features: {given['out']}")
    say_next(f"pandas.read_parquet({str(given['out'])!r})")


def _open(given: Given, sample_rate: float) -> "Store":
    """The store or dataset that ``source`` names, or one in memory made of log files."""
    from tsclr.data.store import TABLE, Store
    from tsclr.readers import find_files

    first = Path(given["source"][0])
    if len(given["source"]) == 1 and ((first / TABLE).exists() or not first.exists()):
        return Store.load(given["source"][0], given["root"])
    reader = reader_of(given)
    files = find_files(map(Path, given["source"]), reader.suffixes)
    return Store.build((r for file in files for r in reader.read(file)), sample_rate)


def _views_options() -> "list[Option]":
    from tsclr.config.options import Option
    from tsclr.explore.advise import EPOCHS

    out = "Page to write, or folder of --advise; gallery.html or advice by default"
    advise = "Rank each view and each pair by short pretrainings, without labels (minutes)"
    return [
        Option("preset", str, "Preset or YAML file", "ntxent", positional=True),
        Option("dataset", str | None, "Dataset or folder of a store; data.source by default"),
        Option("root", str | None, ROOT),
        Option("out", Path | None, out),
        Option("windows", int, "Windows to show", 3),
        Option("seed", int, "Seed of the windows and the views", 0),
        Option("advise", bool, advise, False),
        Option("epochs", int, "Epochs of each run of --advise", EPOCHS),
        Option("seeds", int, "Runs for each candidate of --advise", 1),
        *setting_options(),
    ]


@command(
    "views",
    _views_options,
    (
        "views ntxent --dataset store --out gallery.html",
        "views runs/a/config.yaml --windows 5",
        "views ntxent --dataset store --advise --out advice",
    ),
    "dataset out windows seed advise epochs seeds data.test root",
    open_blocks=CLASSES,
)
def views(given: Given) -> None:
    """Show what the views of a preset do to windows, or rank them without labels.

    The page has every view on its own, and each pipeline as training sees it.
    """
    from tsclr.config.pretraining import changed, read_config
    from tsclr.explore.gallery import gallery, on_dataset

    changes = given[CHANGES]
    if given["dataset"] is not None:
        changes = changed({"data": {"source": given["dataset"]}}, changes)
    pretraining = read_config(given["preset"], changes)
    data = on_dataset(pretraining.data, given["dataset"], given["root"])
    if given["advise"]:
        _advise(given, vars(pretraining) | {"data": data})
        return
    out = given["out"] or Path("gallery.html")
    page = gallery(data, pretraining.views, out, n_windows=given["windows"], seed=given["seed"])
    say_next(f"open {page}")


def _advise(given: Given, pretraining: dict[str, Any]) -> None:
    """Rank the views of a pipeline, and keep the ranking next to the runs."""
    import json

    from tsclr.explore.advise import advise
    from tsclr.files import replacing
    from tsclr.report.tables import about_views

    out = given["out"] or Path("advice")
    advice = advise(**pretraining, out=out, epochs=given["epochs"], seeds=given["seeds"])
    kept = {"ranking": advice.table.to_dict("records"), "recommendation": advice.recommendation}
    with replacing(out / "advice.json") as temporary:
        temporary.write_text(json.dumps(kept, indent=2))
    say_table(
        about_views(advice.table),
        f"Effective rank of features on validation subjects after {given['epochs']} epochs.",
    )
    say(f"ranking: {out / 'advice.json'}")
    say_next(advice.recommendation)


def _demo_options() -> "list[Option]":
    from tsclr.config.options import Option

    return [
        Option("out", Path, "Folder for everything", Path("demo")),
        Option("seed", int, "Seed of the simulation and the training", 0),
    ]


@command("demo", _demo_options, ("demo", "demo --out demo --seed 1"), "out seed")
def demo(given: Given) -> None:
    """Walk the whole path on simulated logs: ingest, pretrain, probe, embed, report.

    It needs no data and takes about two minutes.
    """
    from tsclr.demo import demo

    say_next(f"open {demo(given['out'], given['seed'])}")
