"""``tsclr embed`` and ``demo``: an encoder in use, and the whole path."""

from pathlib import Path
from typing import TYPE_CHECKING

from tsclr.cli.command import Given, command
from tsclr.cli.data import ROOT, log_options, reader_of
from tsclr.cli.output import say, say_next
from tsclr.config.options import REQUIRED, Option, UsageError

if TYPE_CHECKING:
    from tsclr.data.store import Store


@command(
    "embed",
    lambda: [
        Option("run", Path, "Run folder", REQUIRED, positional=True),
        Option(
            "source", str, "A store, a dataset, or log files", REQUIRED, positional=True, many=True
        ),
        Option("out", Path, "Parquet file to write", REQUIRED),
        Option("stride", float | None, "Stride, s; by default the length of a window"),
        Option("whiten", bool, "Apply the pair whitening of the run", False),
        Option("root", str | None, ROOT),
        *log_options(),
    ],
    "out stride whiten root columns units time subject label config",
)
def embed(given: Given) -> None:
    """Write the features of windows to a Parquet file, one row for each.

    Logs are read with the options of tsclr ingest.

    For example:
      tsclr embed runs/a store --out vectors.parquet
      tsclr embed runs/a store --out vectors.parquet --stride 1.28
      tsclr embed runs/a new_logs --out vectors.parquet --config logs.yaml
    """
    from tsclr.data.windows import samples
    from tsclr.embed.embedder import Embedder
    from tsclr.embed.vectors import write_vectors

    if given["out"].suffix != ".parquet":
        raise UsageError(f"--out is {given['out']}, it must end in .parquet: a table of features")
    embedder = Embedder.load(given["run"], given["whiten"])
    spec = embedder.input_spec_
    store = _open(given, spec.sample_rate)
    stride = given["stride"]
    step = spec.length if stride is None else samples(stride, spec.sample_rate)
    n_windows = write_vectors(embedder, store, step, given["out"])
    say(f"{n_windows:,} windows, {embedder.encoder_.num_features} features: {given['out']}")
    say(f"next: read it with pandas.read_parquet({str(given['out'])!r})")


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


@command(
    "demo",
    lambda: [
        Option("out", Path, "Folder for everything", Path("demo")),
        Option("seed", int, "Seed of the simulation and the training", 0),
    ],
    "out seed",
)
def demo(given: Given) -> None:
    """Walk the whole path on simulated logs: ingest, pretrain, probe, embed, report.

    It needs no data and takes about two minutes.

    For example:
      tsclr demo
      tsclr demo --out demo --seed 1
    """
    from tsclr.demo import demo

    say_next("open", demo(given["out"], given["seed"]))
