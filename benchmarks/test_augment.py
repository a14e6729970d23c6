"""Time of every view beside what a user would take instead, and beside a plain copy.

Batches are 256 windows of 6 channels × 128 samples, as the configs train on. The alternative is
tsaug, a whole batch at a time and window by window, where it has the operation, and otherwise the
loop over windows in NumPy or SciPy that tutorials show. Each gets its own layout,
(B, C, T) or (N, T, C), outside the measured time. `extra_info` holds the median of the microseconds
per window, because gates make rounds differ, and how many copies of the batch would take as long:
no view can do with less than one, the reading and writing of every sample.
"""

import statistics
import time
import warnings

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from tests.support.views import CLASSES, COMPOSED
from tsclr import augment
from tsclr.augment import Augmentation, Chain, Crop, Jitter, MagnitudeWarp, Rotate, Scale, TimeWarp

with warnings.catch_warnings():  # tsaug uses a name that SciPy has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import tsaug

N_WINDOWS, C, T = 256, 6, 128
THREADS = sorted({1, torch.get_num_threads()})
FIVE, FOUR = "Chain of five", "Chain of four, as in tsaug"


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


def spline_warp_window(window, rng):
    """A spline for each channel, as CL-HAR and SimCLR-HAR draw it."""
    knots = np.linspace(0, T - 1, 6)
    steps = np.arange(T)
    warped = np.empty_like(window)
    for channel in range(C):
        speed = CubicSpline(knots, rng.normal(1, 0.2, 6))(steps)
        elapsed = np.cumsum(speed)
        warped[:, channel] = np.interp(steps, elapsed * (T - 1) / elapsed[-1], window[:, channel])
    return warped


def looped(change):
    rng = np.random.default_rng(0)
    return lambda X: np.stack([change(window, rng) for window in X])


def one_by_one(augmenter):
    return lambda X: np.concatenate([augmenter.augment(window[None]) for window in X])


OURS: dict[str, Augmentation] = {
    name: cls() for name, cls in CLASSES.items() if name not in COMPOSED and name != "FromTsaug"
} | {
    FIVE: Chain([Crop(p=0.8), TimeWarp(p=0.8), Rotate(p=0.8), Scale(p=0.8), Jitter(p=0.8)]),
    FOUR: Chain([Crop(p=0.8), TimeWarp(p=0.8), MagnitudeWarp(p=0.8), Jitter(p=0.8)]),
}

TSAUG_CHAIN = (
    tsaug.Crop(size=(90, T), resize=T, prob=0.8)
    + tsaug.TimeWarp(n_speed_change=4, max_speed_ratio=1.5, prob=0.8)
    + tsaug.Drift(0.2, 4, kind="multiplicative", normalize=False, prob=0.8)
    + tsaug.AddNoise(scale=0.05, normalize=False, prob=0.8)
)
"""tsaug knows no rotation, so its chain has four members, also beside our chain of five."""

TSAUG = {
    "Jitter": tsaug.AddNoise(scale=0.05, normalize=False),
    "Drift": tsaug.Drift(max_drift=0.1, n_drift_points=3, normalize=False),
    "MagnitudeWarp": tsaug.Drift(
        max_drift=0.2, n_drift_points=4, kind="multiplicative", normalize=False
    ),
    "Quantize": tsaug.Quantize(n_levels=(8, 64)),
    "SampleDropout": tsaug.Dropout(p=0.1, size=8, fill="ffill"),
    "TimeMask": tsaug.Dropout(p=0.01, size=26, fill="mean"),
    "Smooth": tsaug.Convolve(window="hann", size=(3, 10)),
    "Pool": tsaug.Pool(size=(2, 9)),
    "Crop": tsaug.Crop(size=(90, T), resize=T),
    "Reverse": tsaug.Reverse(),
    "TimeWarp": tsaug.TimeWarp(n_speed_change=4, max_speed_ratio=1.5),
    FIVE: TSAUG_CHAIN,
    FOUR: TSAUG_CHAIN,
}

LOOPS = {
    "Scale": looped(scale_window),
    "ChannelDropout": looped(drop_channels),
    "Permute": looped(permute_window),
    "Rotate": looped(rotate_window),
    "TimeWarp": looped(spline_warp_window),
}

RESIZED = 96


@pytest.fixture(autouse=True)
def warm_allocator():
    # A training process has freed larger tensors by its first step; after that the C library keeps
    # its memory instead of handing each tensor back to the system.
    torch.empty(2**22).fill_(0)


def windows(n=N_WINDOWS):
    return torch.randn(n, C, T, generator=torch.Generator().manual_seed(0))


def time_first(x):
    return x.transpose(1, 2).contiguous().numpy()


def seconds_to_copy(x, n_rounds=200):
    """Median time to copy the batch: what reading and writing every sample costs."""
    took = []
    for _ in range(n_rounds):
        began = time.perf_counter()
        x.clone()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def measure(benchmark, function, x, n_rounds=50, n_warmup=5):
    copy = seconds_to_copy(torch.as_tensor(x))
    view = benchmark.pedantic(function, (x,), rounds=n_rounds, warmup_rounds=n_warmup)
    assert len(view) == len(x)
    median = benchmark.stats.stats.median
    benchmark.extra_info["us_per_window"] = round(1e6 * median / len(x), 3)
    benchmark.extra_info["copies"] = round(median / copy, 1)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("view", OURS)
def test_tsclr(benchmark, view, threads):
    benchmark.group = f"view {view}"
    torch.set_num_threads(threads)
    measure(benchmark, OURS[view], windows(), n_rounds=200)


@pytest.mark.parametrize("view", TSAUG)
def test_tsaug(benchmark, view):
    benchmark.group = f"view {view}"
    measure(benchmark, TSAUG[view].augment, time_first(windows()))


@pytest.mark.parametrize("view", TSAUG)
def test_tsaug_one_by_one(benchmark, view):
    benchmark.group = f"view {view}"
    measure(benchmark, one_by_one(TSAUG[view]), time_first(windows()), 10, 1)


@pytest.mark.parametrize("view", LOOPS)
def test_loop(benchmark, view):
    benchmark.group = f"view {view}"
    measure(benchmark, LOOPS[view], time_first(windows()), 10, 1)


@pytest.mark.benchmark(group="view Resize")
def test_tsclr_resize(benchmark):
    x = windows()
    position = torch.linspace(0, T - 1, RESIZED).expand(len(x), -1)
    measure(benchmark, lambda x: augment.time.interpolate(x, position), x, n_rounds=200)


@pytest.mark.benchmark(group="view Resize")
def test_tsaug_resize(benchmark):
    measure(benchmark, tsaug.Resize(RESIZED).augment, time_first(windows()))
