"""How a run is going: diagnostics of each epoch, when it is over, and where it is shown.

The diagnostics read no label: whether the features of validation subjects agree on positives,
spread, use their directions, and give away the subject or the device.
"""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from tsclr.data.windows import Windows
from tsclr.embed.diagnostics import dead_features, pair_diagnostics, shortcut
from tsclr.encoders import Encoder
from tsclr.train.batches import BatchBuilder
from tsclr.train.sampler import seed_of
from tsclr.train.settings import Training

try:
    import resource
except ImportError:  # Windows
    resource = None

N_WATCHED = 1024
"""Validation pairs on which an epoch is judged."""


class CollapseError(ArithmeticError):
    """The features of all windows have become nearly the same."""


def watch(encoder: Encoder, batches: BatchBuilder, seed: int) -> dict[str, float]:
    """Diagnostics of the representations of validation subjects, on the same pairs every epoch."""
    windows, was_training = batches.windows, encoder.training
    gpus = [batches.device] if batches.device.type == "cuda" else []
    # The same pairs and views at every epoch, and training continues as if nothing was drawn.
    with torch.random.fork_rng(gpus), torch.inference_mode():
        torch.manual_seed(seed_of(seed, 4))
        # Sorted, since `shortcut` divides each group in the order of time.
        watched = np.sort(torch.randperm(len(windows))[:N_WATCHED].numpy())
        pairs = torch.from_numpy(np.stack([watched, batches.pairing.partner(watched, windows)]))
        views = batches(pairs, windows.take(pairs.flatten())).views
        # Process 0 is alone here: in training, a synchronised batch norm would wait for the rest.
        encoder.eval()
        first, second = (encoder(view).float() for view in views)
        encoder.train(was_training)
    counts = {"dead_features": int(dead_features(first)), "num_features": encoder.num_features}
    return pair_diagnostics(first, second) | counts | _shortcuts(first, windows, watched)


def _shortcuts(
    h: Float[torch.Tensor, "N D"], windows: Windows, watched: Int[np.ndarray, " N"]
) -> dict[str, float]:
    """What can be read from features besides the activity."""
    recordings = windows.store.recordings.iloc[windows.rows(watched)]
    scores = {
        f"{name}_shortcut": shortcut(h, recordings[name].to_numpy(dtype=str))
        for name in ("subject", "device")
    }
    return {name: float(score) for name, score in scores.items() if score is not None}


def has_collapsed(metrics: list[dict[str, Any]], training: Training) -> bool:
    """Whether the last epoch ended with all features dead, or below the least effective rank.

    Examples
    --------
    >>> row = {"effective_rank": 1.2, "dead_features": 3, "num_features": 16}
    >>> has_collapsed([row], Training()), has_collapsed([row], Training(min_rank=1.0))
    (True, False)
    """
    if not metrics:
        return False
    last = metrics[-1]
    all_dead = last["dead_features"] == last["num_features"]
    return all_dead or last["effective_rank"] < training.min_rank


def check_collapse(metrics: list[dict[str, Any]], training: Training) -> None:
    """Raise `CollapseError` for a run that `has_collapsed`."""
    if not has_collapsed(metrics, training):
        return
    last = metrics[-1]
    raise CollapseError(
        f"the encoder collapsed in epoch {last['epoch']}: effective rank "
        f"{last['effective_rank']:.2f}, {last['dead_features']} of {last['num_features']} features "
        "dead (the same for every window); lower training.learning_rate, weaken the views, or take "
        "an objective with negatives such as NTXent. training.min_rank (now "
        f"{training.min_rank:g}) sets what counts as collapse"
    )


def is_over(metrics: list[dict[str, Any]], training: Training) -> bool:
    """Whether all epochs are done, or the effective rank has risen no more for long enough.

    Examples
    --------
    >>> rows = [{"effective_rank": rank} for rank in (3.0, 9.0, 8.0, 7.0)]
    >>> is_over(rows, Training(patience=2)), is_over(rows, Training(patience=3))
    (True, False)
    """
    ranks = [row["effective_rank"] for row in metrics]
    if training.patience is None or not ranks:
        return len(ranks) >= training.epochs
    since_best = len(ranks) - 1 - int(np.argmax(ranks))
    return since_best >= training.patience or len(ranks) >= training.epochs


def forget_peak_memory() -> None:
    """Reset what `peak_memory` has measured on the CPU; only Linux can."""
    peaks = Path("/proc/self/clear_refs")
    if peaks.exists():
        # 5 resets the peak resident set size, see proc(5).
        peaks.write_text("5")


def peak_memory(device: torch.device) -> float | None:
    """Most memory so far, MiB: of the GPU, or of the process on the CPU; None on Windows."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if resource is None:
        return None
    # ru_maxrss is in bytes on macOS and in KiB on Linux.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def summary(metrics: dict[str, Any], epochs: int) -> str:
    """One line that says how an epoch of so many went."""
    return (
        f"epoch {metrics['epoch']}/{epochs}  loss {metrics['loss']:.3f}  "
        f"alignment {metrics['alignment']:.2f}  uniformity {metrics['uniformity']:.2f}  "
        f"rank {metrics['effective_rank']:.0f}  {metrics['windows_per_second']:,.0f} windows/s"
    )


class Bar:
    """Progress of a run with loss, speed and time left, where standard error is a terminal."""

    def __init__(self, n_steps: int, done: int, shown: bool) -> None:
        console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("pretraining"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  {task.fields[speed]:,.0f} windows/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self.task: TaskID = self.progress.add_task(
            "", total=n_steps, completed=done, loss=float("nan"), speed=0.0
        )

    def __enter__(self) -> "Bar":
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def show(self, done: int, loss: float, speed: float) -> None:
        """Say how far the run is, at what loss, and how many windows it takes in a second."""
        self.progress.update(self.task, completed=done, loss=loss, speed=speed)


@contextmanager
def tensorboard(out: Path, wanted: bool) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Show the epochs of a run in TensorBoard as they end, in place of what was shown before."""
    if not wanted:
        yield lambda _: None
        return
    from torch.utils.tensorboard import SummaryWriter

    # A resumed run shows its earlier epochs again, so old events would appear twice.
    shutil.rmtree(out / "tensorboard", ignore_errors=True)
    with SummaryWriter(str(out / "tensorboard")) as writer:
        n_shown = 0

        def show(metrics: list[dict[str, Any]]) -> None:
            nonlocal n_shown
            for row in metrics[n_shown:]:
                for name, value in row.items():
                    writer.add_scalar(name, value, row["epoch"])
            n_shown = len(metrics)
            writer.flush()

        yield show


def check_tensorboard() -> None:
    """Raise ``ValueError`` where TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "training.tensorboard needs a package that is not installed: "
            "pip install 'tsclr[tensorboard]'"
        )
