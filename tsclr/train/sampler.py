"""The number of a step in, the windows of its batch out, without any state.

What a step sees depends on the seed and its number alone. So a resumed run, any number of
processes and any number of reading workers see the same batches, and there is no state of a
sampler to keep.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch.utils.data import DataLoader, Dataset

from tsclr.data.windows import Windows
from tsclr.pairs import Pairing

COPIED = 2**20
"""Samples that pass through the memory of the host at a time, on their way to a device."""
Gather = Callable[[Int[np.ndarray, " N"]], Float[torch.Tensor, "N C T"]]
"""Windows by number."""


def seed_of(seed: int, *where: int) -> int:
    """Seed of one purpose of a run; those that differ in any number are independent.

    Examples
    --------
    >>> seed_of(0, 1, 2) == seed_of(0, 1, 2), seed_of(0, 1, 2) == seed_of(0, 2, 1)
    (True, False)
    """
    # First number of `where`: 0 order of windows, 1 partners, 2 views, 3 objective, 4 diagnostics.
    return int(np.random.SeedSequence([seed, *where]).generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class PairSampler(Dataset):
    """The windows of each step of a run; every epoch shuffles them.

    The first of `n_views` views is of the windows, each further one of a positive of each. Of
    `per_epoch` windows drawn per epoch, all by default, an incomplete last batch is left out.
    `batch_size` counts the windows of all `world_size` processes, of which this is number `rank`;
    ``ValueError`` if they cannot share it evenly.
    """

    windows: Windows
    pairing: Pairing
    n_views: int
    batch_size: int
    per_epoch: int | None
    seed: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.size % self.world_size:
            raise ValueError(
                f"a batch has {self.size} windows, it must be a multiple of the "
                f"{self.world_size} processes: change training.batch_size"
            )

    @property
    def size(self) -> int:
        """Windows of a step, of all processes together."""
        return min(self.batch_size, self._wanted)

    @property
    def in_epoch(self) -> int:
        """Steps of an epoch."""
        return self._wanted // self.size

    @property
    def _wanted(self) -> int:
        """Windows drawn per epoch."""
        return min(self.per_epoch or len(self.windows), len(self.windows))

    def indices(self, step: int) -> Int[np.ndarray, "V B"]:
        """Windows that the views of a step show, of all processes."""
        epoch, number = divmod(step, self.in_epoch)
        # Seeds depend on the run, the epoch and the step alone, so a resumed run, and one with
        # other processes or workers, gets the same batches.
        order = _order(len(self.windows), seed_of(self.seed, 0, epoch))
        index = order[number * self.size :][: self.size]
        generator = torch.Generator().manual_seed(seed_of(self.seed, 1, step))
        partners = [
            self.pairing.partner(index, self.windows, generator) for _ in range(self.n_views - 1)
        ]
        return np.stack([index, *partners])

    def __getitem__(self, step: int) -> Int[np.ndarray, "V B"]:
        """The share of `indices` that is this process's."""
        n = self.size // self.world_size
        return self.indices(step)[:, self.rank * n : (self.rank + 1) * n]


# Every step of an epoch asks for the order of all windows, which is slow to permute.
@lru_cache(maxsize=2)
def _order(n_windows: int, seed: int) -> Int[np.ndarray, " N"]:
    """Order of the windows in an epoch."""
    return torch.randperm(n_windows, generator=torch.Generator().manual_seed(seed)).numpy()


@dataclass(frozen=True)
class _BatchDataset(Dataset):
    """Steps with their windows: what a reading worker does."""

    steps: PairSampler
    gather: Gather

    def __getitem__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        indices = self.steps[step]
        return torch.from_numpy(indices), self.gather(indices.ravel())


def load_batches(
    steps: PairSampler, numbers: range, gather: Gather, workers: int = 0, pinned: bool = False
) -> Iterator[tuple[Int[torch.Tensor, "V B"], Float[torch.Tensor, "N C T"]]]:
    """Indices of each step and their windows, one view after the other.

    ``ValueError`` if there should be workers where processes cannot be forked: on Windows.
    """
    source = _BatchDataset(steps, gather)
    # A forked process cannot use a GPU that its parent uses.
    if not workers or isinstance(gather, DeviceWindows):
        return map(source.__getitem__, numbers)
    if not hasattr(os, "fork"):
        raise ValueError(
            f"training.workers is {workers}, but this system cannot fork processes that share the "
            "store: set it to 0, which changes nothing but the speed"
        )
    loader = DataLoader(
        source,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        pin_memory=pinned,
        # Without its own generator the loader would draw from the global one, and so change
        # the random values that come after it.
        generator=torch.Generator(),
        multiprocessing_context="fork",  # shares the mapped store, which cannot be pickled
    )
    return iter(loader)


class DeviceWindows:
    """Windows of a store that lies in the memory of a device: gathering copies nothing across.

    Examples
    --------
    >>> from tsclr.data.store import Store
    >>> windows = Windows.sliding(Store.load("synthetic"), 128, 64)
    >>> on_device = DeviceWindows(windows, torch.device("cpu"))
    >>> torch.equal(on_device(np.array([3, 1])), windows.take([3, 1]))
    True
    """

    def __init__(self, windows: Windows, device: torch.device) -> None:
        samples = windows.store.signal
        signal = torch.empty(samples.shape, device=device)
        # The store is mapped from disk and may be larger than the memory of the host.
        for low in range(0, len(samples), COPIED):
            chunk = slice(low, low + COPIED)
            # A copy in memory, since the mapped array is read-only and torch warns of that.
            signal[chunk] = torch.from_numpy(np.array(samples[chunk]))
        # All windows at every start, without a copy: gathering is one indexing operation.
        self.view = signal.unfold(0, windows.length, 1)
        self.starts = torch.from_numpy(np.array(windows.starts)).to(device)

    def __call__(self, index: Int[np.ndarray, " N"]) -> Float[torch.Tensor, "N C T"]:
        """Gather windows by number."""
        return self.view[self.starts[torch.from_numpy(index).to(self.starts.device)]]


def gather_for(windows: Windows, device: torch.device) -> Gather:
    """How to gather on a device: from its own memory where half of what is free holds the store."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if 2 * windows.store.signal.nbytes < free:
            return DeviceWindows(windows, device)
    return windows.take
