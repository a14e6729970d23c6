"""A store in, a run folder out: the encoder learns from positive pairs, without labels."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int

from tsclr.augment import Augmentation
from tsclr.data.identity import canonical_source, fingerprints
from tsclr.data.settings import Data
from tsclr.data.windows import Windows
from tsclr.distributed import (
    joined,
    on_rank_zero,
    rank,
    with_synchronised_norms,
    world_size,
)
from tsclr.embed.checkpoint import FILE
from tsclr.embed.encode import fit_whitening, neighbours
from tsclr.encoders import Encoder
from tsclr.files import exclusive_lock
from tsclr.objectives import Objective
from tsclr.objectives.batch import Batch
from tsclr.objectives.parts import averaged_copy
from tsclr.pairs import Pairing
from tsclr.specs import spec_of
from tsclr.train.batches import BatchBuilder, pipelines, with_partners
from tsclr.train.monitor import (
    Bar,
    check_collapse,
    check_tensorboard,
    is_over,
    peak_memory,
    summary,
    tensorboard,
    watch,
)
from tsclr.train.optimisers import learning_rate, optimizer_for
from tsclr.train.runs import State, describe
from tsclr.train.sampler import PairSampler, gather_for, load_batches, seed_of
from tsclr.train.settings import Training
from tsclr.train.step import Learner, TrainStep, check_precision
from tsclr.types import device_sensor

N_SCALED = 1024
"""Training windows that set the input scale."""
GLANCE = 10
"""Steps between two looks at the loss, for which a GPU has to wait."""

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

    Under torchrun all processes share each batch, and the first one writes.

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
    CollapseError
        If the encoder tells windows apart no longer.
    """
    if training.tensorboard:
        check_tensorboard()
    store, split = data.open()
    train, watched = (
        with_partners(data.windows(store, subjects), pairing)
        for subjects in (split.train, split.validation)
    )
    device = pick_device(training.device)
    gpus = [device] if device.type == "cuda" else []
    with joined(device.type), locked(out), torch.random.fork_rng(gpus):
        torch.manual_seed(training.seed)
        state = start(encoder, objective, train, training, device)
        chains = pipelines(views, store.channels)
        seen = BatchBuilder(chains, pairing, train, device, objective.reads_labels)
        settings = {
            "data": asdict(data),
            "split": asdict(split),
            "place": canonical_source(data.source),
            "seen": fingerprints(store, (*split.train, *split.validation)),
            "objective": spec_of(objective),
            "views": spec_of(views),
            "pairing": spec_of(pairing),
            "training": asdict(training),
        }
        claim(out, resume, state, settings)
        with tensorboard(out, training.tensorboard and rank() == 0) as show:

            def save() -> None:
                on_rank_zero(lambda: state.save(out, train.input_spec, settings))
                show(state.metrics)

            show(state.metrics)
            learn(state, seen, BatchBuilder(chains[:2], pairing, watched, device), training, save)
            if not state.readout and not neighbours(train).alone(train).all():
                arrays = on_rank_zero(lambda: fit_whitening(state.result, train).to_arrays())
                state.readout = {name: torch.from_numpy(array) for name, array in arrays.items()}
                save()
    return out


def learn(
    state: State,
    seen: BatchBuilder,
    watched: BatchBuilder,
    training: Training,
    save: Callable[[], None],
) -> None:
    """Take the steps that are left; judge and save the encoder after each epoch."""
    steps = PairSampler(
        seen.windows,
        seen.pairing,
        len(seen.pipelines),
        training.batch_size,
        training.windows_per_epoch,
        training.seed,
        rank(),
        world_size(),
    )
    n_steps, device = training.epochs * steps.in_epoch, seen.device
    learner = Learner(state.encoder, state.objective)
    train_step = TrainStep(learner, state.optimizer, state.scaler, training, device)
    numbers = range(state.step, n_steps)
    gather = gather_for(seen.windows, device)
    batches = load_batches(steps, numbers, gather, training.workers, pinned=device.type == "cuda")
    check_collapse(state.metrics, training)
    with Bar(n_steps, state.step, shown=rank() == 0) as bar:
        while not is_over(state.metrics, training):
            began = time.perf_counter() - state.seconds
            for members, x in islice(batches, steps.in_epoch - state.counted):
                rate = learning_rate(state.step, n_steps, training)
                batch = make_batch(seen, members, x, training.seed, state.step)
                state.add(train_step(batch, rate))
                state.average_in(training.ema_decay)
                state.seconds = time.perf_counter() - began
                saves = bool(training.save_every) and state.step % training.save_every == 0
                if saves or state.step % GLANCE == 0:
                    speed = state.counted * steps.size / state.seconds
                    bar.show(state.step, state.means()["loss"], speed)
                if saves:
                    save()
            means = state.means()  # a loss that is not finite is told before features are looked at
            state.close_epoch(
                means,
                **on_rank_zero(lambda: watch(state.result, watched, training.seed)),
                learning_rate=learning_rate(state.step - 1, n_steps, training),
                windows_per_second=steps.in_epoch * steps.size / state.seconds,
                memory_mib=peak_memory(device),
            )
            save()
            last = state.metrics[-1]
            bar.show(state.step, last["loss"], last["windows_per_second"])
            log.info("%s", summary(last, training.epochs))
            check_collapse(state.metrics, training)


def make_batch(
    seen: BatchBuilder, members: Int[torch.Tensor, "V B"], x: torch.Tensor, seed: int, step: int
) -> Batch:
    """Views of a step: other ones in every process, while the objective draws the same in all."""
    torch.manual_seed(seed_of(seed, 2, step, rank()))
    return seen(members, x, torch.Generator().manual_seed(seed_of(seed, 3, step)))


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
    check_precision(training.precision, device)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            f"{type(model).__name__} has no parameter to train: choose another encoder"
        )
    criterion = deepcopy(objective).build(model, len(train))
    for module in criterion.modules():
        if isinstance(module, Augmentation):
            module.for_channels(train.store.channels)
    if world_size() > 1:
        model = with_synchronised_norms(model, device.type)
        criterion = with_synchronised_norms(criterion, device.type)
    model, criterion = model.to(device), criterion.to(device)
    average = None if training.ema_decay is None else averaged_copy(model)
    scaler = torch.amp.GradScaler(device.type) if training.precision == "fp16" else None
    optimizer = optimizer_for([model, criterion], training)
    return State(model, criterion, optimizer, average, scaler=scaler)


def claim(out: Path, resume: bool, state: State, settings: dict[str, Any]) -> None:
    """Take the run folder: go on with the run in it, or begin one."""
    if on_rank_zero((out / FILE).exists):
        if not resume:
            raise FileExistsError(
                f"there is a run in {out}: add --resume to go on with it, or choose another folder"
            )
        state.resume(out, settings)
    else:
        on_rank_zero(lambda: describe(out, settings | {"encoder": spec_of(state.encoder)}))


def sensor_scale(windows: Windows, seed: int) -> Float[torch.Tensor, " C"]:
    """Root mean square of each sensor, one number for its axes, so that rotations stay rotations.

    A sensor that is silent gets 1.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(windows), generator=generator)[:N_SCALED]
    power = windows.take(drawn).double().square().mean((0, 2))
    sensors = [device_sensor(channel) for channel in windows.store.channels]
    same = torch.tensor([[one == other for other in sensors] for one in sensors]).double()
    scale = (same @ power / same.sum(1)).sqrt()
    return torch.where(scale > 0, scale, 1.0).float()


def pick_device(name: str) -> torch.device:
    """The device called `name`; ``auto`` is cuda where there is one, and each process has its own.

    Raises
    ------
    ValueError
        If there is none, or there are more processes than GPUs.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device cuda: this machine has none that torch can use; choose cpu")
    if name == "cuda":
        number, n_gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if number >= n_gpus:
            raise ValueError(
                f"this machine has {n_gpus} GPUs for more processes than that: give torchrun "
                f"--nproc-per-node {n_gpus}"
            )
        name = f"cuda:{number}"
        torch.cuda.set_device(name)
    return torch.device(name)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other runs off the folder; the first of several processes does it for all."""
    with ExitStack() as held:
        on_rank_zero(lambda: held.enter_context(exclusive_lock(out)))
        yield
