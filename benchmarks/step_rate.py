"""``python -m benchmarks.step_rate``: a pretraining step against the matmul rate of the machine.

For each encoder, batch and precision: windows per second of whole steps (reading, views, forward,
backward, optimiser), the share of reading and views, and the floating point operations of the
matrix products and convolutions of a step per second as a part of what a large square matrix
product, and a large convolution, reach in the same precision on the same machine. A window is one
view of a window.
"""

import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.results_folder import keep
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.demo import VIEWS
from tsclr.encoders import CNN1d, Encoder, ResNet1d, Transformer
from tsclr.encoders.convolutional import convolve
from tsclr.objectives import NTXent
from tsclr.pairs import Neighbour
from tsclr.train.batches import BatchBuilder, make_batch, pipelines
from tsclr.train.sampler import PairSampler, gather_for, load_batches
from tsclr.train.settings import Training
from tsclr.train.setup import pick_device, start
from tsclr.train.step import HALF, Learner, TrainStep, check_precision

ENCODERS: dict[str, Callable[[int], Encoder]] = {
    "CNN1d": CNN1d,
    "CNN1d, width 256": lambda n: CNN1d(n, width=256),
    "ResNet1d": ResNet1d,
    "Transformer": Transformer,
}
SIZES = {"cpu": (256,), "cuda": (256, 4096)}
MATRIX = {"cpu": 2048, "cuda": 8192}
N_TIMED = {"cpu": 12, "cuda": 30}


def timed(device: torch.device, function: Callable[[], Any], repeats: int) -> float:
    """Seconds of the median of single calls on the CPU, of the mean of many on a GPU."""
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repeats):
            function()
        torch.cuda.synchronize()
        return (time.perf_counter() - began) / repeats
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[repeats // 2]


def matmul_rate(device: torch.device, precision: str) -> float:
    """Floating point operations per second of a large square product."""
    n, kind = MATRIX[device.type], HALF.get(precision, torch.float32)
    a, b = torch.randn(2, n, n, device=device).to(kind)
    return 2 * n**3 / timed(device, lambda: a @ b, 9)


def convolution_rate(device: torch.device, precision: str) -> float:
    """Floating point operations per second of a large convolution over rows.

    torch computes products and convolutions by different libraries, either of which can be far from
    what the machine does.
    """
    n, width, steps, kernel = 512, 256, 32, 5
    x = torch.randn(n, steps, width, device=device).to(HALF.get(precision, torch.float32))
    weight = torch.randn(width, width, kernel, device=device).to(x.dtype)
    seconds = timed(device, lambda: convolve(x, weight, 1, kernel // 2), 9)
    return 2 * n * steps * width * width * kernel / seconds


def batches(windows: Windows, training: Training, device: torch.device) -> Iterator[Any]:
    """Members and samples of the steps, and the views that see them."""
    views = BatchBuilder(pipelines(VIEWS, windows.store.channels), Neighbour(), windows, device)
    steps = PairSampler(windows, views.pairing, 2, training.batch_size, None, 0)
    read_ahead = load_batches(steps, range(10**6), gather_for(windows, device))
    return ((views, members, x) for members, x in read_ahead)


def measure(
    name: str, size: int, precision: str, compiled: bool, windows: Windows, device: torch.device
) -> dict[str, Any]:
    """One row."""
    training = Training(batch_size=size, precision=precision, compile=compiled)
    state = start(ENCODERS[name], NTXent(), windows, training, device)
    learner = Learner(state.encoder, state.objective)
    train_step = TrainStep(learner, state.optimizer, state.scaler, training, device)
    source = batches(windows, training, device)

    def see() -> Any:
        views, members, x = next(source)
        return make_batch(views, members, x, 0, 0)

    batch = see()
    with FlopCounterMode(display=False) as counter:
        sum(learner(batch).values()).backward()
    for _ in islice(range(5), 5 if compiled else 2):
        train_step(see(), 1e-3)
    repeats = N_TIMED[device.type]
    whole = timed(device, lambda: train_step(see(), 1e-3), repeats)
    seeing, learning = (
        timed(device, see, repeats),
        timed(device, lambda: train_step(batch, 1e-3), repeats),
    )
    return {
        "encoder": name,
        "batch": size,
        "precision": precision + (", compiled" if compiled else ""),
        "windows_per_second": 2 * size / whole,
        "milliseconds": 1e3 * whole,
        "views_share": seeing / (seeing + learning),
        "gflop_per_step": counter.get_total_flops() / 1e9,
        "flop_per_second": counter.get_total_flops() / whole,
    }


def main(device_name: str) -> None:
    """Measure everything that the device can do, and keep it."""
    device = pick_device(device_name)
    windows = Windows.sliding(Store.load("synthetic"), 128, 16)
    rows, products, convolutions = [], {}, {}
    for precision in ("fp32", "bf16", "fp16"):
        try:
            check_precision(precision, device)
        except ValueError as refused:
            sys.stdout.write(f"{refused}\n")
            continue
        products[precision] = matmul_rate(device, precision)
        convolutions[precision] = convolution_rate(device, precision)
        for name, size, compiled in (
            (name, size, compiled)
            for name in ENCODERS
            for size in SIZES[device.type]
            for compiled in (False, True)
            if not compiled or (device.type == "cuda" and precision != "fp16")
        ):
            row = measure(name, size, precision, compiled, windows, device)
            row["of_matmul_rate"] = row["flop_per_second"] / products[precision]
            row["of_convolution_rate"] = row["flop_per_second"] / convolutions[precision]
            rows.append(row)
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    rates = {"matmul_flop_per_second": products, "convolution_flop_per_second": convolutions}
    keep(f"step_rate_{device.type}", {"device": card, **rates, "rows": rows})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
