"""Rows per second of `Tabular` on a CSV of a million rows, beside plain pyarrow."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from tsclr.readers import Tabular

N_ROWS = 1_000_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of work: UNIX milliseconds, six channels, a label."""
    rng = np.random.default_rng(0)
    channels = {
        f"{sensor}_{axis}": np.round(rng.normal(0.577, 0.1, N_ROWS), 6)
        for sensor in ("acc", "gyr")
        for axis in "xyz"
    }
    labels = np.repeat(["walk", "sit", "stand", "run"], N_ROWS // 4)
    time = 1657544418323 + 20 * np.arange(N_ROWS)
    path = tmp_path_factory.mktemp("readers") / "log.csv"
    csv.write_csv(pa.table({"time": time, **channels, "label": labels}), path)
    return path


@pytest.mark.benchmark(group="read a CSV of a million rows")
def test_tabular(benchmark, log: Path) -> None:
    reader = Tabular(time="time", label="label", log_rate=50.0)
    [found] = benchmark(lambda: list(reader.read(log)))
    benchmark.extra_info["rows_per_second"] = N_ROWS / benchmark.stats.stats.median
    assert found.signal.shape == (N_ROWS, 6)


@pytest.mark.benchmark(group="read a CSV of a million rows")
def test_plain_pyarrow(benchmark, log: Path) -> None:
    table = benchmark(csv.read_csv, log)
    benchmark.extra_info["rows_per_second"] = N_ROWS / benchmark.stats.stats.median
    assert table.num_rows == N_ROWS
