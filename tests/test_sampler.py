"""What a step sees depends on the seed and its number alone."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.pairs import Neighbour, SameWindow
from tsclr.train.sampler import DeviceWindows, PairSampler, gather_for, load_batches, seed_of


@pytest.fixture(scope="module")
def windows(tiny_store: Path) -> Windows:
    return Windows.sliding(Store.open(tiny_store), 128, 64)


def steps(windows: Windows, n: int | None = None, **changed: object) -> PairSampler:
    chosen = windows if n is None else windows.select(np.arange(n))
    settings = {"n_views": 2, "batch_size": 10, "per_epoch": None, "seed": 0} | changed
    return PairSampler(chosen, Neighbour(2.56), **settings)


def test_an_epoch_takes_every_window_once_and_leaves_out_the_rest(windows: Windows) -> None:
    some = steps(windows, 103)
    assert (some.size, some.in_epoch) == (10, 10)
    for epoch in range(2):
        drawn = np.concatenate([some.indices(10 * epoch + number)[0] for number in range(10)])
        assert len(np.unique(drawn)) == 100
    assert not np.array_equal(some.indices(0), some.indices(10))


def test_few_windows_make_one_small_batch(windows: Windows) -> None:
    assert steps(windows, 7).indices(0).shape == (2, 7)
    assert steps(windows, 103, per_epoch=25).in_epoch == 2
    assert steps(windows, 103, per_epoch=1000).in_epoch == 10


def test_partners_are_those_of_the_pairing(windows: Windows) -> None:
    index, first, second = steps(windows, n_views=3).indices(4)
    assert not np.array_equal(first, second)
    reach = 2.56 * windows.store.sample_rate
    assert (abs(windows.starts[index] - windows.starts[first]) <= reach).all()
    same = PairSampler(windows, SameWindow(), 2, 10, None, 0).indices(4)
    assert np.array_equal(*same)


def test_the_global_generator_has_no_say(windows: Windows) -> None:
    torch.manual_seed(1)
    drawn = steps(windows).indices(3)
    torch.manual_seed(2)
    assert np.array_equal(steps(windows).indices(3), drawn)
    assert not np.array_equal(steps(windows, seed=1).indices(3), drawn)


@pytest.mark.parametrize("world_size", [1, 2, 5])
def test_any_number_of_processes_shares_the_same_batches(windows: Windows, world_size: int) -> None:
    whole = steps(windows).indices(3)
    parts = [steps(windows, rank=rank, world_size=world_size)[3] for rank in range(world_size)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


def test_a_batch_that_cannot_be_shared_is_refused(windows: Windows) -> None:
    with pytest.raises(ValueError, match="10 windows, it must be a multiple of the 3 processes"):
        steps(windows, world_size=3)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_reads_the_same_batches(windows: Windows, workers: int) -> None:
    some, numbers = steps(windows), range(3, 9)
    alone = list(load_batches(some, numbers, windows.take))
    ahead = list(load_batches(some, numbers, windows.take, workers))
    assert len(ahead) == len(numbers)
    for (indices, x), (same_indices, same_x) in zip(alone, ahead, strict=True):
        assert torch.equal(indices, same_indices)
        assert torch.equal(x, same_x)
        assert torch.equal(x[: some.size], windows.take(indices[0]))


def test_workers_share_the_store_whatever_the_default_is(windows: Windows) -> None:
    """Python 3.14 starts processes by a server, which would have to pickle the store."""
    default = multiprocessing.get_start_method()
    multiprocessing.set_start_method("forkserver", force=True)
    try:
        assert len(list(load_batches(steps(windows), range(2), windows.take, workers=1))) == 2
    finally:
        multiprocessing.set_start_method(default, force=True)


def test_a_store_on_the_device_gives_the_same_windows(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsclr.train.sampler.COPIED", 1000)
    some, resident = steps(windows), DeviceWindows(windows, torch.device("cpu"))
    found = list(load_batches(some, range(2), resident, workers=2))
    for (_, x), (_, expected) in zip(
        found, load_batches(some, range(2), windows.take), strict=True
    ):
        assert torch.equal(x, expected)
    assert gather_for(windows, torch.device("cpu")) == windows.take


def test_seeds_differ_in_every_place() -> None:
    seeds = {seed_of(a, b, c) for a in range(3) for b in range(3) for c in range(3)}
    assert len(seeds) == 27


def test_reading_workers_are_refused_where_nothing_forks(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.fork")
    with pytest.raises(ValueError, match=r"training\.workers is 2, .*: set it to 0"):
        load_batches(steps(windows), range(2), windows.take, workers=2)
