"""Rows a second from a CSV log of a million rows into a store, beside pyarrow's plain reading.

Ingesting reads, converts, checks the stamps, resamples where asked, hashes the file and writes the
store safely; pyarrow only parses. `extra_info` holds rows per second.
"""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from tsclr.data.ingest import ingest

N_ROWS = 1_000_000
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Six channels and UNIX milliseconds at 50 Hz."""
    path, rng = tmp_path_factory.mktemp("logs") / "log.csv", np.random.default_rng(0)
    columns = {"time": 1_700_000_000_000 + 20 * np.arange(N_ROWS)}
    columns |= {name: rng.normal(size=N_ROWS).round(5) for name in CHANNELS}
    pyarrow.csv.write_csv(pa.table(columns), path)
    return path


def measure(benchmark, function, setup=None):
    benchmark.group = "ingest"
    benchmark.pedantic(function, setup=setup, rounds=3, warmup_rounds=1)
    rows = N_ROWS / benchmark.stats.stats.median
    benchmark.extra_info["rows_per_second"] = round(rows)


def test_pyarrow_reads(benchmark, log):
    options = pyarrow.csv.ReadOptions(use_threads=False)
    measure(benchmark, lambda: pyarrow.csv.read_csv(log, read_options=options))


@pytest.mark.parametrize("rate", [50.0, 25.0])
def test_ingest(benchmark, log, tmp_path, rate):
    folders = iter(range(1000))

    def fresh():
        return (log, tmp_path / str(next(folders))), {"rate": rate, "time": "time"}

    measure(benchmark, ingest, fresh)
