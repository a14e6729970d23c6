"""Logs of simulated people saved again in every way that a hash of the file does not survive."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tsclr import signals
from tsclr.data.ingest import ingest
from tsclr.data.store import Store
from tsclr.demo import LOGS, RATE
from tsclr.types import Recording

AXES = ["ax", "ay", "az", "gx", "gy", "gz"]


def to_csv(table: pd.DataFrame, path: Path, **options: object) -> None:
    table.to_csv(path.with_suffix(".csv"), index=False, **options)


def with_fewer_digits(table: pd.DataFrame, path: Path) -> None:
    to_csv(table.round(2), path)


def in_exponents(table: pd.DataFrame, path: Path) -> None:
    to_csv(table, path, float_format="%.5e")


def in_half_precision(table: pd.DataFrame, path: Path) -> None:
    to_csv(table.astype(dict.fromkeys(AXES, np.float16)), path)


def with_semicolons(table: pd.DataFrame, path: Path) -> None:
    to_csv(table, path, sep=";")


def compressed(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path.with_suffix(".csv.gz"), index=False)


def as_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path.with_suffix(".parquet"))


def with_a_late_clock(table: pd.DataFrame, path: Path) -> None:
    to_csv(table.assign(time=table["time"] + 7), path)


def sampled_7_ms_later(table: pd.DataFrame, path: Path) -> None:
    later = table["time"].iloc[:-1] + 7
    moved = {axis: np.interp(later, table["time"], table[axis]) for axis in AXES}
    to_csv(table.iloc[:-1].assign(**moved), path)


def in_other_units(table: pd.DataFrame, path: Path) -> None:
    factors = pd.Series([1 / 9.80665] * 3 + [np.pi / 180] * 3, AXES)
    to_csv(table.assign(**(table[AXES] * factors)), path)


def at_100_hz(table: pd.DataFrame, path: Path) -> None:
    start, stop = table["time"].iloc[[0, -1]]
    grid = np.arange(start, stop, 20)
    even = np.stack([np.interp(grid, table["time"], table[axis]) for axis in AXES], axis=1)
    fast = pd.DataFrame(signals.resample(even, 50.0, 100.0), columns=AXES)
    stamps = grid[0] + 10 * np.arange(len(fast))
    nearest = np.searchsorted(table["time"], stamps).clip(max=len(table) - 1)
    to_csv(fast.assign(time=stamps, activity=table["activity"].to_numpy()[nearest]), path)


def without_its_ends(table: pd.DataFrame, path: Path) -> None:
    to_csv(table.iloc[150:-400], path)


UNITS = {"acc": "g", "gyr": "rad/s"}
WAYS: dict[str, tuple[Callable[[pd.DataFrame, Path], None], dict[str, object]]] = {
    "fewer digits": (with_fewer_digits, {}),
    "another number format": (in_exponents, {}),
    "half precision": (in_half_precision, {}),
    "another delimiter": (with_semicolons, {"delimiter": ";"}),
    "gzip": (compressed, {}),
    "Parquet": (as_parquet, {}),
    "a clock 7 ms late": (with_a_late_clock, {}),
    "sampled 7 ms later": (sampled_7_ms_later, {}),
    "other units": (in_other_units, {"units": UNITS}),
    "another rate of the log": (at_100_hz, {}),
    "cut at both ends": (without_its_ends, {}),
}
"""How the table of a log is written, and what `ingest` has to know about it."""


def saved_again(logs: Path, folder: Path, way: str, **options: object) -> Store:
    """A store of the four people, now called 11 to 14, from their logs saved again."""
    write, reading = WAYS[way]
    (folder / "logs").mkdir()
    for number in range(1, 5):
        table = pd.read_csv(logs / f"subject0{number}_phone.csv")
        write(table, folder / "logs" / f"subject1{number}_phone")
    settings = {"rate": RATE, **LOGS} | reading | options
    return ingest(folder / "logs", folder / "store", **settings)


def recordings_of(store: Store) -> Iterator[Recording]:
    """The recordings of a store, as if they came from no file."""
    for row in store.recordings.to_dict("records"):
        stretch = slice(row["start"], row["start"] + row["length"])
        yield Recording(
            signal=store.signal[stretch],
            sample_rate=store.sample_rate,
            channels=store.channels,
            subject=row["subject"],
            name=row["name"],
            labels=store.labels[stretch],
            classes=store.classes,
        )
