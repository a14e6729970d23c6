"""``tsclr ingest``, ``data list`` and ``data fetch``: where recordings come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsclr.cli.command import Given, command
from tsclr.cli.output import say, say_next, say_table

if TYPE_CHECKING:
    from tsclr.config.options import Option
    from tsclr.data.store import Store

ROOT = "Folder of the archives; the variable TSCLR_DATA, else a cache, by default"


def log_options() -> "list[Option]":
    """Options that say what the columns of a log are, and a file that holds them."""
    from tsclr.config.options import Option, options_of
    from tsclr.readers import Tabular

    file = Option("config", Path | None, "YAML file with any of these options")
    return [*options_of(Tabular), file]


def reader_of(given: Given) -> Any:
    """The reader that the options describe."""
    from tsclr.config.options import parameters
    from tsclr.readers import Tabular

    return Tabular(**{name: given[name] for name in parameters(Tabular)})


def _ingest_options() -> "list[Option]":
    from tsclr.config.options import REQUIRED, Option

    return [
        Option(
            "paths", Path, "Log files, or folders of them", REQUIRED, positional=True, many=True
        ),
        Option("out", Path, "Folder of the store", REQUIRED),
        Option("rate", float | None, "Rate of the store, Hz; that of the first log by default"),
        *log_options(),
    ]


def _ingested(given: Given) -> "Store":
    """The store, written by `tsclr.data.ingest.ingest`."""
    from tsclr.data.ingest import ingest

    return ingest(given["paths"], given["out"], rate=given["rate"], reader=reader_of(given))


@command(
    "ingest",
    _ingest_options,
    (
        "ingest my_logs --out store --rate 50",
        "ingest my_logs --out store --columns acc_x=ax,acc_y=ay,acc_z=az --units acc=m/s²",
        "ingest my_logs --out store --config logs.yaml",
    ),
    "out rate columns units time label subject pattern log_rate config",
)
def ingest(given: Given) -> None:
    """Read raw logs (CSV, Parquet) into a store.

    Run it again with more logs to add them; after an interruption it goes on.
    """
    store = _ingested(given)
    from tsclr.report.tables import about_store
    from tsclr.types import UNITS

    units = ", ".join(f"{name} {unit}" for name, unit in (UNITS | (given["units"] or {})).items())
    say(f"store: {given['out']}\n{about_store(store)}\nread as: {units}")
    say_next(f"tsclr pretrain ntxent --data.source {given['out']} --out runs/a")


@command("data list", list, ("data list",))
def data_list(_: Given) -> None:
    """List the public datasets that tsclr reads by name."""
    from tsclr.report.tables import about_datasets

    say_table(about_datasets(), "Public datasets, by the name that every command takes.")
    say_next("tsclr data fetch NAME")


def _fetch_options() -> "list[Option]":
    from tsclr.config.options import REQUIRED, Option

    about = "Name of the dataset, as tsclr data list has it"
    return [Option("name", str, about, REQUIRED, positional=True), Option("root", str | None, ROOT)]


@command("data fetch", _fetch_options, ("data fetch hapt", "data fetch hapt --root data"), "root")
def data_fetch(given: Given) -> None:
    """Download the archive of a public dataset.

    Archives are checked against their SHA-256; one that is there is not fetched again.
    """
    from tsclr import datasets

    say(str(datasets.find(given["name"])(given["root"]).fetch()))
    say_next(f"tsclr pretrain ntxent --data.source {given['name']} --out runs/{given['name']}")
