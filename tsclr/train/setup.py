"""What a run starts from: its device, and a fresh encoder, objective and optimiser."""

import os
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float

from tsclr.augment import Augmentation
from tsclr.data.windows import Windows
from tsclr.distributed import with_synchronised_norms, world_size
from tsclr.encoders import Encoder
from tsclr.objectives import Objective
from tsclr.objectives.blocks import averaged_copy
from tsclr.train.optimisers import optimizer_for
from tsclr.train.settings import Training
from tsclr.train.state import State
from tsclr.train.step import check_precision
from tsclr.types import device_sensor

N_SCALED = 1024
"""Training windows that set the input scale."""
LARGEST = 1e15
"""Above it the squares of a batch may sum to more than single precision holds, 3.4e38."""


def pick_device(name: str) -> torch.device:
    """The device called `name`; ``auto`` is cuda where there is one, and each process has its own.

    ``ValueError`` if there is none, or there are more processes than GPUs.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device is cuda, but torch finds no GPU on this machine: choose cpu")
    if name == "cuda":
        number, n_gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if number >= n_gpus:
            raise ValueError(
                f"there are more processes than the {n_gpus} GPUs of this machine: run "
                f"torchrun with --nproc-per-node {n_gpus}"
            )
        name = f"cuda:{number}"
        torch.cuda.set_device(name)
    return torch.device(name)


def check_magnitude(windows: Windows) -> None:
    """Raise ``ValueError`` for a recording with values above `LARGEST`; the message names it."""
    store = windows.store
    for row in np.unique(windows.rows()):
        recording = store.recordings.iloc[row]
        signal = store.signal[recording["start"] : recording["start"] + recording["length"]]
        # Not the largest of `abs`, which would copy the recording.
        largest = max(float(signal.max()), -float(signal.min()))
        store.release()
        if largest > LARGEST:
            raise ValueError(
                f"recording {recording['name']!r} of subject {recording['subject']} holds values "
                f"up to {largest:.2g}, allowed are values up to {LARGEST:g}: correct the log or "
                "leave it out, and ingest again into a new folder"
            )


def sensor_scale(windows: Windows, seed: int) -> Float[torch.Tensor, " C"]:
    """Root mean square of each sensor, one number for its axes, so that rotations stay rotations.

    A sensor that is silent gets 1.
    """
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(len(windows), generator=generator)[:N_SCALED]
    power = windows.take(indices).double().square().mean((0, 2))
    sensors = [device_sensor(channel) for channel in windows.store.channels]
    same = torch.tensor([[one == other for other in sensors] for one in sensors]).double()
    scale = (same @ power / same.sum(1)).sqrt()
    return torch.where(scale > 0, scale, 1.0).float()


def start(
    encoder: Callable[[int], Encoder],
    objective: Objective,
    train: Windows,
    training: Training,
    device: torch.device,
) -> State:
    """A fresh encoder, objective and optimiser for windows like `train`."""
    check_precision(training.precision, device)
    check_magnitude(train)
    model = encoder(len(train.store.channels))
    # Before anything copies the encoder, as objectives do in `build`: a copy keeps its own scale.
    model.input_scale.copy_(sensor_scale(train, training.seed))
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
