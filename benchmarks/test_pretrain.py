"""A step of pretraining, its parts, and a step in the manner of CL-HAR: 256 pairs of windows.

Views of the demo, CNN1d and NT-Xent throughout. The step in the manner of CL-HAR (see
`benchmarks.naive`) has the same windows, encoder, projector, batch and loss; it stands in the same
group, measured in the same run, with the loss as it is there and with the similarities as a matrix
product. On one thread and on all of the machine. `extra_info` holds windows per second; a window is
one view of a window, so that a step has 512.
"""

import itertools
import os

import numpy as np
import pytest
import torch

from benchmarks import naive
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.demo import VIEWS
from tsclr.encoders import CNN1d
from tsclr.objectives import NTXent
from tsclr.objectives.blocks import projector
from tsclr.pairs import Neighbour
from tsclr.train.batches import BatchBuilder, make_batch, pipelines
from tsclr.train.sampler import PairSampler, load_batches
from tsclr.train.settings import Training
from tsclr.train.setup import start
from tsclr.train.step import Learner, TrainStep

N_PAIRS, N_STEPS, RATE = 256, 1000, 1e-3
CPU = torch.device("cpu")
TRAINING = Training(batch_size=N_PAIRS, device="cpu")
PARTS, WHOLE = "parts of a step of pretraining", "a step of pretraining"
THREADS = sorted({1, len(os.sched_getaffinity(0))})


@pytest.fixture(autouse=True, params=THREADS, ids="{} threads".format)
def threads(one_thread, request):
    torch.set_num_threads(request.param)
    return request.param


@pytest.fixture(scope="module")
def windows():
    return Windows.sliding(Store.load("synthetic"), 128, 64)


@pytest.fixture(scope="module")
def steps(windows):
    return PairSampler(windows, Neighbour(), 2, N_PAIRS, None, seed=0)


@pytest.fixture(scope="module")
def views(windows):
    return BatchBuilder(pipelines(VIEWS, windows.store.channels), Neighbour(), windows, CPU)


@pytest.fixture
def train_step(windows):
    state = start(CNN1d, NTXent(), windows, TRAINING, CPU)
    learner = Learner(state.encoder, state.objective)
    return TrainStep(learner, state.optimizer, state.scaler, TRAINING, CPU)


def measure(benchmark, group, threads, function, rounds=15, warmup_rounds=3):
    benchmark.group = f"{group}, threads: {threads}"
    benchmark.pedantic(function, rounds=rounds, warmup_rounds=warmup_rounds)
    benchmark.extra_info["windows_per_second"] = round(2 * N_PAIRS / benchmark.stats.stats.median)


def batches(steps, windows):
    return load_batches(steps, range(N_STEPS), windows.take)


def test_gather(benchmark, threads, steps, windows):
    source = batches(steps, windows)
    measure(benchmark, PARTS, threads, lambda: next(source))


def test_views(benchmark, threads, steps, windows, views):
    members, x = next(batches(steps, windows))
    measure(benchmark, PARTS, threads, lambda: make_batch(views, members, x, 0, 0))


def test_forward_backward_and_update(benchmark, threads, steps, windows, views, train_step):
    batch = make_batch(views, *next(batches(steps, windows)), 0, 0)
    measure(benchmark, PARTS, threads, lambda: train_step(batch, RATE))


def test_whole_step(benchmark, threads, steps, windows, views, train_step):
    numbered = enumerate(batches(steps, windows))

    def step():
        number, (members, x) = next(numbered)
        train_step(make_batch(views, members, x, 0, number), RATE)

    measure(benchmark, WHOLE, threads, step)


@pytest.mark.parametrize("loss", [naive.broadcast_nt_xent, naive.selecting_nt_xent])
def test_step_in_the_manner_of_cl_har(benchmark, threads, steps, windows, loss):
    encoder = CNN1d(len(windows.store.channels))
    head = projector(encoder.num_features, NTXent().hidden, NTXent().width)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=RATE)
    rng, numbers = np.random.default_rng(0), itertools.count()

    def read_one_by_one(row):
        signal = windows.store.signal
        return [signal[start : start + windows.length] for start in windows.starts[row]]

    def step():
        first, second = map(read_one_by_one, steps[next(numbers)])
        naive.step(encoder, head, optimizer, loss, (first, second), rng)

    measure(benchmark, WHOLE, threads, step, rounds=3, warmup_rounds=1)
