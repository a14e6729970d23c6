"""Windows a second of every encoder, one thread: forward, training step, and SciPy's alternative.

Batches are 256 windows of 6 channels × 128 samples; `extra_info` holds windows per second. An
encoder made of others has `CNN1d` inside, `Concat` two of them.
"""

import functools
import inspect

import pytest
import torch

from tests.test_encoder_statistics import slow_statistics
from tests.test_encoders import ENCODERS as KINDS
from tsclr.encoders import CNN1d, Statistics

N_WINDOWS = 256
INSIDE = {"encoder": CNN1d, "encoders": [CNN1d, CNN1d]}


def with_others_inside(kind):
    held = inspect.signature(kind).parameters.keys() & INSIDE.keys()
    return functools.partial(kind, **{name: INSIDE[name] for name in held})


ENCODERS = {name: with_others_inside(kind) for name, kind in KINDS.items()}
TRAINED = {name: kind for name, kind in ENCODERS.items() if list(kind(in_channels=6).parameters())}


@pytest.fixture
def windows():
    return torch.randn(N_WINDOWS, 6, 128, generator=torch.Generator().manual_seed(0))


def measure(benchmark, function, n_windows=N_WINDOWS):
    benchmark.pedantic(function, rounds=10, warmup_rounds=2)
    benchmark.extra_info["windows_per_second"] = round(n_windows / benchmark.stats.stats.median)


@pytest.mark.benchmark(group="encoder forward")
@pytest.mark.parametrize("kind", ENCODERS.values(), ids=list(ENCODERS))
def test_forward(benchmark, windows, kind):
    encoder = kind(in_channels=6).eval()

    @torch.inference_mode()
    def forward():
        encoder(windows)

    measure(benchmark, forward)


@pytest.mark.benchmark(group="encoder forward and backward")
@pytest.mark.parametrize("kind", TRAINED.values(), ids=list(TRAINED))
def test_forward_and_backward(benchmark, windows, kind):
    encoder = kind(in_channels=6).train()

    def step():
        encoder.zero_grad()
        encoder(windows).square().mean().backward()

    measure(benchmark, step)


@pytest.mark.benchmark(group="statistics")
def test_statistics_in_one_batch(benchmark, windows):
    encoder = Statistics(in_channels=6).eval()
    measure(benchmark, lambda: encoder(windows))


@pytest.mark.benchmark(group="statistics")
def test_statistics_with_scipy_window_by_window(benchmark, windows):
    few = windows[:16].numpy()
    measure(benchmark, lambda: [slow_statistics(window, 50.0) for window in few], len(few))
