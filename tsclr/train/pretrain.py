"""A store in, a run folder out: the encoder learns from positive pairs, without labels."""

import logging
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from tsclr.augment import Augmentation
from tsclr.data.identity import canonical_source, fingerprints, sketches
from tsclr.data.landmarks import to_text
from tsclr.data.settings import Data
from tsclr.distributed import joined, on_rank_zero, rank, world_size
from tsclr.embed.checkpoint import FILE
from tsclr.embed.fitting import fit_whitening, neighbours
from tsclr.encoders import Encoder
from tsclr.files import exclusive_lock
from tsclr.objectives import Objective
from tsclr.pairs import Pairing
from tsclr.specs import spec_of
from tsclr.train.batches import BatchBuilder, make_batch, pipelines, with_partners
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
from tsclr.train.optimisers import learning_rate
from tsclr.train.runs import describe, write_config
from tsclr.train.sampler import PairSampler, gather_for, load_batches
from tsclr.train.settings import Training
from tsclr.train.setup import pick_device, start
from tsclr.train.state import State
from tsclr.train.step import Learner, TrainStep

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
    out: str | Path,
    resume: bool = False,
) -> Path:
    """Learn an encoder by contrast of positive pairs; write a run folder.

    Under torchrun all processes share each batch, and the first one writes.

    A resumed run must have the settings it was made with, except for `Training.free`, which do not
    change what is learned, and ``training.epochs``. With more epochs the run trains on: from the
    step it has reached, the learning rate follows the schedule of the longer run, a half cosine to
    zero over the new total. The weights therefore differ from those of a run that was that long
    from the start.

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
    out : str or Path
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
        If the run in `out` was made with other settings, or has done more epochs than are asked
        for; or if a value of the data is too large to train on.
    FloatingPointError
        If the loss is no longer finite.
    CollapseError
        If the features of all windows have become nearly the same.
    """
    if training.tensorboard:
        check_tensorboard()
    out = Path(out)
    store, split = data.open()
    train, validation = (
        with_partners(data.windows(store, subjects), pairing)
        for subjects in (split.train, split.validation)
    )
    device = pick_device(training.device)
    gpus = [device] if device.type == "cuda" else []
    # Forked, so that the caller's random numbers go on as if no run had drawn any.
    with joined(device.type), locked(out), torch.random.fork_rng(gpus):
        torch.manual_seed(training.seed)
        state = start(encoder, objective, train, training, device)
        chains = pipelines(views, store.channels)
        batches = BatchBuilder(chains, pairing, train, device, objective.reads_labels)
        # The diagnostics compare a window with one positive, whatever else the objective sees.
        watched = BatchBuilder(chains[:2], pairing, validation, device)
        subjects = (*split.train, *split.validation)
        settings = {
            "data": data.settings(),
            "split": asdict(split),
            "place": canonical_source(data.name),
            # By content, so that `probe` knows these subjects wherever their store lies.
            "seen": fingerprints(store, subjects),
            "objective": spec_of(objective),
            "views": spec_of(views),
            "pairing": spec_of(pairing),
            "training": asdict(training),
        }
        claim(out, resume, state, settings)
        # Not compared above: a run from before there were sketches can be resumed, and gets them.
        settings["sketches"] = list(map(to_text, sketches(store, subjects)))
        with tensorboard(out, training.tensorboard and rank() == 0) as show:

            def save() -> None:
                on_rank_zero(lambda: state.save(out, train.input_spec, settings))
                show(state.metrics)

            show(state.metrics)
            learn(state, batches, watched, training, save)
            # A finished run that is resumed has its whitening already, and no step changed it.
            if not state.readout and not neighbours(train).alone(train).all():
                arrays = on_rank_zero(lambda: fit_whitening(state.result, train).to_arrays())
                state.readout = {name: torch.from_numpy(array) for name, array in arrays.items()}
                save()
    return out


def learn(
    state: State,
    batches: BatchBuilder,
    watched: BatchBuilder,
    training: Training,
    save: Callable[[], None],
) -> None:
    """Take the steps that are left; judge and save the encoder after each epoch."""
    sampler = PairSampler(
        batches.windows,
        batches.pairing,
        len(batches.pipelines),
        training.batch_size,
        training.windows_per_epoch,
        training.seed,
        rank(),
        world_size(),
    )
    n_steps, device = training.epochs * sampler.in_epoch, batches.device
    learner = Learner(state.encoder, state.objective, training.chunk_size)
    train_step = TrainStep(learner, state.optimizer, state.scaler, training, device)
    gather, pinned = gather_for(batches.windows, device), device.type == "cuda"
    loaded = load_batches(sampler, range(state.step, n_steps), gather, training.workers, pinned)
    # A run that has collapsed must not go on when it is resumed.
    check_collapse(state.metrics, training)
    with Bar(n_steps, state.step, shown=rank() == 0) as bar:
        while not is_over(state.metrics, training):
            # After a resume, the seconds of the epoch before the interruption count as well.
            began = time.perf_counter() - state.seconds
            # A resumed run may be in the middle of an epoch.
            for indices, x in islice(loaded, sampler.in_epoch - state.counted):
                batch = make_batch(batches, indices, x, training.seed, state.step)
                state.add(train_step(batch, learning_rate(state.step, n_steps, training)))
                state.average_in(training.ema_decay)
                state.seconds = time.perf_counter() - began
                saves = bool(training.save_every) and state.step % training.save_every == 0
                # The same condition in every process: `means` waits for all of them.
                if saves or state.step % GLANCE == 0:
                    speed = state.counted * sampler.size / state.seconds
                    bar.show(state.step, state.means()["loss"], speed)
                if saves:
                    save()
            means = state.means()  # raises for a loss that is not finite, before `watch` would
            state.close_epoch(
                means,
                **on_rank_zero(lambda: watch(state.result, watched, training.seed)),
                learning_rate=learning_rate(state.step - 1, n_steps, training),
                windows_per_second=sampler.in_epoch * sampler.size / state.seconds,
                memory_mib=peak_memory(device),
            )
            save()
            last = state.metrics[-1]
            bar.show(state.step, last["loss"], last["windows_per_second"])
            log.info("%s", summary(last, training.epochs))
            check_collapse(state.metrics, training)


def claim(out: Path, resume: bool, state: State, settings: dict[str, Any]) -> None:
    """Take the run folder: go on with the run in it, or begin one."""
    described = settings | {"encoder": spec_of(state.encoder)}
    if not on_rank_zero((out / FILE).exists):
        on_rank_zero(lambda: describe(out, described))
        return
    if not resume:
        raise FileExistsError(
            f"there is a run in {out}: `tsclr pretrain --resume {shlex.quote(str(out))}` continues "
            f"it, in Python tsclr.pretrain(resume={str(out)!r}), and tsclr.load({str(out)!r}) uses "
            "it; or choose another folder"
        )
    before, epochs = state.resume(out, settings), settings["training"]["epochs"]
    if len(state.metrics) >= epochs:
        log.info(
            "the run is finished (%d of %d epochs); --training.epochs N trains it longer",
            len(state.metrics),
            epochs,
        )
    if epochs != before:
        log.info(
            "%d epochs instead of %d: from step %d on, the learning rate follows the schedule of "
            "%d epochs",
            epochs,
            before,
            state.step,
            epochs,
        )
        on_rank_zero(lambda: write_config(out, described))


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other runs off the folder; the first of several processes does it for all."""
    with ExitStack() as held:
        on_rank_zero(lambda: held.enter_context(exclusive_lock(out)))
        yield
