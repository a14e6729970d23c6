"""A store in, a run folder out: the encoder learns from positive pairs, without labels."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tsclr.augment import Augmentation
from tsclr.batch import Batch
from tsclr.checkpoint import FILE
from tsclr.diagnostics import alignment, dead_features, effective_rank, uniformity
from tsclr.encoders import Encoder
from tsclr.features import fit_whitening
from tsclr.files import claimed
from tsclr.objectives import Objective
from tsclr.pairs import Pairing
from tsclr.runs import State, describe
from tsclr.settings import Data, Training, fingerprints, place
from tsclr.specs import spec_of
from tsclr.views import Views, pipelines, with_partners
from tsclr.windows import Windows

N_WATCHED = 1024
"""Validation pairs on which an epoch is judged; training windows that set the input scale."""

log = logging.getLogger(__name__)


def pretrain(
    data: Data,
    encoder: Callable[[int], Encoder],
    objective: Objective,
    views: list[Augmentation] | dict[str, list[Augmentation]],
    pairing: Pairing,
    training: Training,
    out: Path,
    resume: bool = False,
) -> Path:
    """Learn an encoder by contrast of positive pairs; write a run folder.

    Parameters
    ----------
    data : Data
        Windows and subjects.
    encoder : callable
        Makes the encoder from its number of channels.
    objective : Objective
        What is learned; a copy of it is built for the encoder.
    views : list of Augmentation, or dict of such lists
        Applied in order to both windows of a pair; or a pipeline for each view by name, such as
        weak and strong. The first view is of a window itself, each further one of a positive.
    pairing : Pairing
        Which window is the positive of which.
    training : Training
        Settings of the optimiser.
    out : Path
        Run folder.
    resume : bool
        Go on with the run in `out`, where there is one.

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    FileExistsError
        If there is a run in `out` and `resume` is not set.
    ValueError
        If the run in `out` was made with other settings.
    FloatingPointError
        If the loss is no longer finite.
    """
    store, split = data.open()
    train, watched = (
        with_partners(data.windows(store, subjects), pairing)
        for subjects in (split.train, split.validation)
    )
    device = pick_device(training.device)
    with claimed(out), torch.random.fork_rng():
        torch.manual_seed(training.seed)
        state = start(encoder, objective, train, training, device)
        settings = {
            "data": asdict(data),
            "split": asdict(split),
            "place": place(data.source),
            "seen": fingerprints(store, (*split.train, *split.validation)),
            "objective": spec_of(state.objective),
            "views": spec_of(views),
            "pairing": spec_of(pairing),
            "training": asdict(training),
        }
        views_of = Views(pipelines(views, train.store.channels), pairing, device)
        claim(out, resume, state, settings)
        n_steps, batch_size = np.shape(list(batches(len(train), training)))
        with progress_bar() as progress:
            loss = state.metrics[-1]["loss"] if state.metrics else math.nan
            bar = progress.add_task("", total=training.epochs * n_steps, loss=loss, speed=0.0)
            progress.update(bar, completed=state.epoch * n_steps)
            while state.epoch < training.epochs:
                torch.manual_seed(training.seed * 1_000_003 + state.epoch + 1)
                began, losses, rate = time.perf_counter(), [], 0.0
                for index in batches(len(train), training):
                    terms = state.objective(state.encoder, Batch(views_of(train, index)))
                    done = state.epoch * n_steps + len(losses)
                    rate = learning_rate(done, training.epochs * n_steps, training)
                    losses.append(take_step(state, terms, rate, training.clip_norm))
                    speed = len(losses) * len(index) / (time.perf_counter() - began)
                    progress.update(bar, advance=1, loss=losses[-1]["loss"], speed=speed)
                seconds = time.perf_counter() - began
                state.epoch += 1
                state.metrics.append(
                    {"epoch": state.epoch}
                    | {
                        name: float(np.mean([terms[name] for terms in losses]))
                        for name in losses[0]
                    }
                    | watch(state, views_of, watched, training.seed)
                    | {"learning_rate": rate, "seconds": seconds}
                    | {"windows_per_second": n_steps * batch_size / seconds}
                )
                state.save(out, train.input_spec, settings)
                log.info("%s", summary(state.metrics[-1], training.epochs))
        if not state.readout:
            arrays = fit_whitening(state.encoder, train).to_arrays()
            state.readout = {name: torch.from_numpy(array) for name, array in arrays.items()}
            state.save(out, train.input_spec, settings)
    return out


def start(
    encoder: Callable[[int], Encoder],
    objective: Objective,
    train: Windows,
    training: Training,
    device: torch.device,
) -> State:
    """A fresh encoder, objective and optimiser for windows like `train`."""
    model = encoder(len(train.store.channels))
    model.input_scale.copy_(sensor_scale(train, training.seed))
    criterion = deepcopy(objective).build(model, len(train)).to(device)
    model.to(device)
    parameters = [*model.parameters(), *criterion.parameters()]
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            f"{type(model).__name__} has no parameter to train: choose another encoder"
        )
    optimizer = torch.optim.AdamW(
        parameters, lr=training.learning_rate, weight_decay=training.weight_decay
    )
    return State(model, criterion, optimizer)


def claim(out: Path, resume: bool, state: State, settings: dict[str, Any]) -> None:
    """Take the run folder: go on with the run in it, or begin one."""
    if (out / FILE).exists():
        if not resume:
            raise FileExistsError(
                f"there is a run in {out}: add --resume to go on with it, or choose another folder"
            )
        state.resume(out, settings)
    else:
        describe(out, settings | {"encoder": spec_of(state.encoder)})


def batches(n_windows: int, training: Training) -> Iterator[np.ndarray]:
    """Indices of the windows of each step, drawn anew; an incomplete last batch is left out."""
    wanted = min(training.windows_per_epoch or n_windows, n_windows)
    size = min(training.batch_size, wanted)
    order = torch.randperm(n_windows).numpy()
    for low in range(0, wanted - size + 1, size):
        yield order[low : low + size]


def learning_rate(step: int, n_steps: int, training: Training) -> float:
    """Rate at `step`: linear warm-up, then a half cosine to zero (Loshchilov 2017, eq. 5).

    Examples
    --------
    >>> learning_rate(99, 100, Training(learning_rate=1.0, warmup=0.0)) < 1e-3
    True
    """
    n_warmup = math.ceil(training.warmup * n_steps)
    if step < n_warmup:
        return training.learning_rate * (step + 1) / n_warmup
    done = (step - n_warmup) / max(1, n_steps - n_warmup)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def take_step(
    state: State, terms: dict[str, torch.Tensor], rate: float, clip_norm: float
) -> dict[str, float]:
    """Move the weights down the gradient of the sum of `terms`; give the loss and the terms."""
    loss = torch.stack(list(terms.values())).sum()
    if not loss.isfinite():
        raise FloatingPointError(
            f"the loss became {float(loss.detach())}: lower training.learning_rate "
            f"(now {rate:.2g}) or raise the temperature"
        )
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad()
    loss.backward()
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    state.optimizer.step()
    state.objective.after_step(state.encoder)
    return {"loss": float(loss.detach())} | {
        name: float(term.detach()) for name, term in terms.items()
    }


def watch(state: State, views_of: Views, watched: Windows, seed: int) -> dict[str, float]:
    """Diagnostics of the representations of validation subjects; the same pairs every epoch."""
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        index = np.sort(torch.randperm(len(watched))[:N_WATCHED].numpy())
        state.encoder.eval()
        first, second = (state.encoder(x) for x in views_of(watched, index)[:2])
        state.encoder.train()
    centre = first.mean(0)
    return {
        "alignment": float(alignment(first - centre, second - centre)),
        "uniformity": float(uniformity(first - centre)),
        "effective_rank": float(effective_rank(first - centre)),
        "dead_features": int(dead_features(first)),
    }


def sensor_scale(windows: Windows, seed: int) -> Float[torch.Tensor, " C"]:
    """Root mean square of each sensor, one number for its axes, so that rotations stay rotations.

    A sensor that is silent gets 1.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(windows), generator=generator)[:N_WATCHED]
    power = windows.__getitems__(drawn).double().square().mean((0, 2))
    sensors = [channel.rpartition("_")[0] for channel in windows.store.channels]
    same = torch.tensor([[one == other for other in sensors] for one in sensors]).double()
    scale = (same @ power / same.sum(1)).sqrt()
    return torch.where(scale > 0, scale, 1.0).float()


def pick_device(name: str) -> torch.device:
    """The device called `name`; ``auto`` is cuda where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device cuda: this machine has none that torch can use; choose cpu")
    return torch.device(name)


def progress_bar() -> Progress:
    """Progress with loss, speed and time left."""
    return Progress(
        TextColumn("pretraining"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}  {task.fields[speed]:,.0f} windows/s"),
        TimeRemainingColumn(),
    )


def summary(metrics: dict[str, Any], epochs: int) -> str:
    """One line that says how an epoch went."""
    return (
        f"epoch {metrics['epoch']}/{epochs}  loss {metrics['loss']:.3f}  "
        f"alignment {metrics['alignment']:.2f}  uniformity {metrics['uniformity']:.2f}  "
        f"rank {metrics['effective_rank']:.0f}  {metrics['windows_per_second']:,.0f} windows/s"
    )
