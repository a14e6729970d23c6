"""``tsclr ingest``, ``data list`` and ``data fetch``: where recordings come from."""

from pathlib import Path
from typing import TYPE_CHECKING

from tsclr.cli.command import CHANGES, Given, command
from tsclr.cli.output import say, say_next, say_table
from tsclr.config.options import REQUIRED, Option, options_of

if TYPE_CHECKING:
    from tsclr.readers import Tabular

ROOT = "Folder of the archives; by default that of the variable TSCLR_DATA, else a cache"


def log_options() -> list[Option]:
    """Options that say what the columns of a log are, and a file that holds them."""
    from tsclr.readers import Tabular

    file = Option("config", Path | None, "YAML file with the options that describe the logs")
    return [*options_of(Tabular, raw=True), file]


def reader_of(given: Given) -> "Tabular":
    """The reader that the options describe, and the file of ``--config``."""
    from tsclr.config.changes import build_changed
    from tsclr.readers import Tabular
    from tsclr.specs import read_yaml

    file = given["config"]
    return build_changed(Tabular, read_yaml(file) if file else {}, given[CHANGES], str(file or ""))


@command(
    "ingest",
    lambda: [
        Option("paths", Path, "Logs, or folders of them", REQUIRED, positional=True, many=True),
        Option("out", Path, "Folder of the store", REQUIRED),
        Option("rate", float | None, "Sample rate of the store, Hz; else that of the first log"),
        *log_options(),
    ],
    "out rate columns units time label subject pattern log_rate config",
)
def ingest(given: Given) -> None:
    """Read raw logs (CSV, Parquet) into a store.

    Run it again to add more logs, or to go on after an interruption.

    For example:
      tsclr ingest my_logs --out store --rate 50
      tsclr ingest my_logs --out store --columns acc_x=ax,acc_y=ay,acc_z=az --units acc=m/s²
      tsclr ingest my_logs --out store --config logs.yaml
    """
    from tsclr.data.ingest import ingest
    from tsclr.report.tables import about_store
    from tsclr.types import UNITS

    reader = reader_of(given)
    store = ingest(given["paths"], given["out"], rate=given["rate"], reader=reader)
    units = ", ".join(f"{name} {unit}" for name, unit in (UNITS | (reader.units or {})).items())
    say(f"store: {given['out']}\n{about_store(store)}\nread as: {units}")
    held_out = store.subjects[-max(1, len(store.subjects) // 4) :]
    test = ["--data.test", ",".join(held_out)] if store.classes and len(store.subjects) > 2 else []
    words = "tsclr", "pretrain", "ntxent", "--data.source", given["out"], *test, "--out", "runs/a"
    say_next(*words, note="leaves out people to test on" if test else "")


@command("data list", list)
def data_list(_: Given) -> None:
    """List the public datasets that tsclr reads by name.

    For example:
      tsclr data list
    """
    from tsclr.report.tables import about_datasets

    say_table(about_datasets(), "Public datasets, by the name that every command takes.")
    say_next("tsclr", "data", "fetch", "NAME")


@command(
    "data fetch",
    lambda: [
        Option("name", str, "Name as tsclr data list has it", REQUIRED, positional=True),
        Option("root", str | None, ROOT),
    ],
    "root",
)
def data_fetch(given: Given) -> None:
    """Download the archive of a public dataset.

    The archive is checked against its SHA-256, and is not downloaded again if it is there.

    For example:
      tsclr data fetch hapt
      tsclr data fetch hapt --root data
    """
    from tsclr import datasets

    say(str(datasets.find(given["name"])(given["root"]).fetch()))
    name = given["name"]
    say_next("tsclr", "pretrain", "ntxent", "--data.source", name, "--out", f"runs/{name}")
