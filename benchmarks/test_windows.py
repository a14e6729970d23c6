"""Time to gather 256 windows of 6 channels × 128 samples, beside what a user would write instead.

The store lies on disk, mapped, and in the system's cache: a million rows, windows drawn at random.
Every way ends in a contiguous float32 tensor (B, C, T). `extra_info` holds microseconds per window.
"""

import numpy as np
import pytest
import torch

from tsclr.data.store import LABELS, SIGNAL, TABLE, Store
from tsclr.data.table import StoreTable
from tsclr.data.windows import Windows
from tsclr.types import Recording

N_WINDOWS, N_ROWS, LENGTH = 256, 1_000_000, 128
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("store"), np.random.default_rng(0)
    noise = rng.normal(size=(N_ROWS, len(CHANNELS))).astype(np.float32)
    draft = StoreTable()
    signal, labels = draft.add(
        Recording(signal=noise, sample_rate=50.0, channels=CHANNELS, subject="1", name="noise")
    )
    signal.tofile(folder / SIGNAL)
    labels.tofile(folder / LABELS)
    draft.write(folder / TABLE)
    return Windows.sliding(Store.open(folder), LENGTH, stride=64)


def gather(windows, indices):
    return windows.take(indices)


def loop_of_slices(windows, indices):
    signal = windows.store.signal
    batch = np.stack([signal[start : start + LENGTH] for start in windows.starts[indices]])
    return torch.from_numpy(batch).transpose(1, 2).contiguous()


def index_matrix(windows, indices):
    rows = windows.starts[indices][:, None] + np.arange(LENGTH)
    return torch.from_numpy(windows.store.signal[rows]).transpose(1, 2).contiguous()


@pytest.mark.benchmark(group="gather")
@pytest.mark.parametrize("way", [gather, loop_of_slices, index_matrix])
def test_gather(benchmark, windows, way):
    rng = np.random.default_rng(1)
    expected = loop_of_slices(windows, np.arange(N_WINDOWS))
    assert torch.equal(way(windows, np.arange(N_WINDOWS)), expected)

    def fresh():
        return (windows, rng.integers(0, len(windows), N_WINDOWS)), {}

    benchmark.pedantic(way, setup=fresh, rounds=200, warmup_rounds=5)
    per_window = 1e6 * benchmark.stats.stats.median / N_WINDOWS
    benchmark.extra_info["us_per_window"] = round(per_window, 2)
