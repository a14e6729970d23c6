"""Time of every augmentation, one thread, beside what a user would take instead.

Batches are 128 windows of 6 channels × 128 samples, float32. The alternative is tsaug where it has
the operation, and otherwise the loop over windows in NumPy or SciPy that tutorials show. Each gets
its own layout, (B, C, T) or (N, T, C), outside the measured time. `extra_info` holds the
microseconds per window of the fastest round, and the chain is measured with 256 windows too.
"""

import warnings

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from tsclr.augment import (
    Chain,
    ChannelDropout,
    Crop,
    Jitter,
    MagnitudeWarp,
    Permute,
    Rotate,
    Scale,
    TimeMask,
    TimeWarp,
)

with warnings.catch_warnings():  # tsaug uses a name that SciPy has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import tsaug

N_WINDOWS, C, T = 128, 6, 128


def permute_window(window, rng):
    cuts = np.sort(rng.choice(np.arange(1, T), 3, replace=False))
    segments = np.split(window, cuts)
    return np.concatenate([segments[i] for i in rng.permutation(4)])


def rotate_window(window, rng):
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * rng.normal(0, 0.3)).as_matrix().T
    return np.hstack([window[:, :3] @ turn, window[:, 3:] @ turn])


def scale_window(window, rng):
    return window * np.repeat(rng.normal(1, 0.1, 2), 3)


def drop_channels(window, rng):
    return window * (rng.random(C) >= 0.2)


def looped(change):
    rng = np.random.default_rng(0)
    return lambda X: np.stack([change(window, rng) for window in X])


OURS = {
    "jitter": Jitter(sd=0.05),
    "scale": Scale(sd=0.1),
    "magnitude_warp": MagnitudeWarp(sd=0.2, knots=4),
    "channel_dropout": ChannelDropout(rate=0.2),
    "permute": Permute(n_segments=4),
    "time_warp": TimeWarp(strength=0.2, knots=4),
    "crop": Crop(min_fraction=0.7),
    "time_mask": TimeMask(fraction=0.2),
    "rotate": Rotate(spread=0.3),
    "chain": Chain([Crop(p=0.8), TimeWarp(p=0.8), Rotate(p=0.8), Scale(p=0.8), Jitter(p=0.8)]),
}

TSAUG = {
    "jitter": tsaug.AddNoise(scale=0.05, normalize=False),
    "magnitude_warp": tsaug.Drift(
        max_drift=0.2, n_drift_points=4, kind="multiplicative", normalize=False
    ),
    "time_warp": tsaug.TimeWarp(n_speed_change=4, max_speed_ratio=1.5),
    "crop": tsaug.Crop(size=(90, T), resize=T),
    "time_mask": tsaug.Dropout(p=0.01, size=26, fill="mean"),
    "chain": tsaug.Crop(size=(90, T), resize=T, prob=0.8)
    + tsaug.TimeWarp(n_speed_change=4, max_speed_ratio=1.5, prob=0.8)
    + tsaug.Drift(0.2, 4, kind="multiplicative", normalize=False, prob=0.8)
    + tsaug.AddNoise(scale=0.05, normalize=False, prob=0.8),
}

LOOPS = {
    "scale": looped(scale_window),
    "channel_dropout": looped(drop_channels),
    "permute": looped(permute_window),
    "rotate": looped(rotate_window),
}


@pytest.fixture(autouse=True)
def warm_allocator():
    # A training process has freed larger tensors by its first step; after that the C library keeps
    # its memory instead of handing each tensor back to the system.
    torch.empty(2**22).fill_(0)


def windows(n=N_WINDOWS):
    return torch.randn(n, C, T, generator=torch.Generator().manual_seed(0))


def measure(benchmark, function, x):
    view = benchmark.pedantic(function, (x,), rounds=50, warmup_rounds=5)
    assert view.shape == x.shape
    benchmark.extra_info["us_per_window"] = round(1e6 * benchmark.stats.stats.min / len(x), 2)


@pytest.mark.parametrize("operation", OURS)
def test_tsclr(benchmark, operation):
    benchmark.group = f"augment_{operation}"
    measure(benchmark, OURS[operation], windows())


@pytest.mark.parametrize("operation", TSAUG)
def test_tsaug(benchmark, operation):
    benchmark.group = f"augment_{operation}"
    measure(benchmark, TSAUG[operation].augment, windows().transpose(1, 2).contiguous().numpy())


@pytest.mark.parametrize("operation", LOOPS)
def test_loop(benchmark, operation):
    benchmark.group = f"augment_{operation}"
    measure(benchmark, LOOPS[operation], windows().transpose(1, 2).contiguous().numpy())


@pytest.mark.benchmark(group="augment_chain_256")
def test_tsclr_chain_of_256(benchmark):
    measure(benchmark, OURS["chain"], windows(256))
