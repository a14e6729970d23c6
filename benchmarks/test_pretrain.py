"""A step of pretraining, and its parts: 256 pairs of windows, default views, CNN1d, NT-Xent.

`extra_info` holds pairs per second. All threads of the machine are used, as in training.
"""

import os

import numpy as np
import pytest
import torch

from tsclr.augment import Chain
from tsclr.demo import VIEWS
from tsclr.encoders import CNN1d
from tsclr.objectives import NTXent
from tsclr.pairs import Neighbour
from tsclr.pretrain import take_step
from tsclr.runs import State
from tsclr.store import Store
from tsclr.windows import Windows

N_PAIRS = 256


@pytest.fixture(autouse=True)
def all_threads(one_thread):
    torch.set_num_threads(len(os.sched_getaffinity(0)))


@pytest.fixture(scope="module")
def windows():
    return Windows.sliding(Store.load("synthetic"), 128, 64)


@pytest.fixture(scope="module")
def index(windows):
    return np.random.default_rng(0).permutation(len(windows))[:N_PAIRS]


@pytest.fixture(scope="module")
def state():
    encoder = CNN1d(6)
    objective = NTXent().build(encoder, 1000)
    parameters = [*encoder.parameters(), *objective.parameters()]
    return State(encoder, objective, torch.optim.AdamW(parameters))


def gather(windows, index):
    return [windows.__getitems__(i) for i in (index, Neighbour().partner(index, windows))]


def see(pair):
    view = Chain(VIEWS)
    return [view(x) for x in pair]


def learn(state, views):
    take_step(state, state.objective(state.encoder, views), 1e-3, 1.0)


def measure(benchmark, function):
    benchmark.group = "a step of pretraining and its parts"
    benchmark.pedantic(function, rounds=15, warmup_rounds=3)
    benchmark.extra_info["pairs_per_second"] = round(N_PAIRS / benchmark.stats.stats.median)


def test_gather(benchmark, windows, index):
    measure(benchmark, lambda: gather(windows, index))


def test_views(benchmark, windows, index):
    pair = gather(windows, index)
    measure(benchmark, lambda: see(pair))


def test_forward_backward_and_update(benchmark, windows, index, state):
    views = see(gather(windows, index))
    measure(benchmark, lambda: learn(state, views))


def test_whole_step(benchmark, windows, index, state):
    measure(benchmark, lambda: learn(state, see(gather(windows, index))))
