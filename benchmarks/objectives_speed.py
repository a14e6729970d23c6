"""``python -m benchmarks.objectives_speed``: time and memory of a step of every objective.

The shipped configs take whole steps (reading, views, forward, backward, optimiser) of 256 simulated
windows on one thread of the CPU, each in a process of its own. A window is one view of a window.
Memory is the largest resident size during the first steps above that before them: activations,
gradients, the state of the optimiser.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import torch

from benchmarks.objectives import OBJECTIVES, shipped
from benchmarks.peak import peak_mebibytes
from benchmarks.results_folder import keep
from tsclr.data.store import Store
from tsclr.train.batches import BatchBuilder, make_batch, pipelines, with_partners
from tsclr.train.sampler import PairSampler, load_batches
from tsclr.train.setup import start
from tsclr.train.step import Learner, TrainStep

BATCH, N_FIRST, N_TIMED, RATE = 256, 2, 7, 1e-3
CPU = torch.device("cpu")


def stepping(objective: str) -> tuple[Callable[[], None], int]:
    """A function that takes a step of the shipped config, and the number of its views."""
    given = shipped(objective)
    store = Store.load("synthetic")
    windows = given.data.windows(store, tuple(store.subjects))
    windows = with_partners(windows, given.pairing)
    training = replace(given.training, batch_size=BATCH, device="cpu")
    torch.manual_seed(0)
    state = start(given.encoder, given.objective, windows, training, CPU)
    train_step = TrainStep(
        Learner(state.encoder, state.objective), state.optimizer, state.scaler, training, CPU
    )
    chains = pipelines(given.views, store.channels)
    views = BatchBuilder(chains, given.pairing, windows, CPU, given.objective.reads_labels)
    steps = PairSampler(windows, given.pairing, len(chains), BATCH, None, training.seed)
    numbered = enumerate(load_batches(steps, range(N_FIRST + N_TIMED), windows.take))

    def step() -> None:
        number, (members, x) = next(numbered)
        train_step(make_batch(views, members, x, 0, number), RATE)

    return step, len(chains)


def measure(objective: str) -> dict[str, Any]:
    """One row; to be called in a fresh process."""
    torch.set_num_threads(1)
    step, n_views = stepping(objective)
    peak = peak_mebibytes(lambda: [step() for _ in range(N_FIRST)])
    seconds = []
    for _ in range(N_TIMED):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    median = statistics.median(seconds)
    return {
        "objective": objective,
        "views": n_views,
        "milliseconds": 1e3 * median,
        "windows_per_second": n_views * BATCH / median,
        "peak_mib": peak,
    }


def main() -> None:
    """Measure all, one after the other, and keep the rows."""
    rows = []
    for name in OBJECTIVES:
        with get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure, (name,)))
        sys.stdout.write(f"{rows[-1]}\n")
    keep("objectives_speed", {"batch": BATCH, "threads": 1, "rows": rows})


if __name__ == "__main__":
    main()
