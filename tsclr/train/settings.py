"""How long and how fast to train: the block ``training`` of a config."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, get_args

POSITIVE: dict[str, Any] = {"range": ("above 0", lambda value: value > 0)}
NOT_NEGATIVE: dict[str, Any] = {"range": ("at least 0", lambda value: value >= 0)}
SHARE: dict[str, Any] = {"range": ("in [0, 1)", lambda value: 0 <= value < 1)}


@dataclass
class Training:
    """How long and how fast to train.

    Parameters
    ----------
    epochs : int
        Passes over the training windows. A run may be resumed with more of them; from the step
        reached, its learning rate follows the schedule of the longer run.
    batch_size : int
        Pairs in a batch, over all processes.
    accumulate : int
        Micro-batches into which a batch is divided to save memory; each is contrasted within
        itself, and the gradients are averaged.
    chunk_size : int, optional
        Windows to encode at a time, to save memory. The loss is still that of the whole batch
        while memory is that of a chunk; every chunk is encoded twice, and BatchNorm sees a chunk.
    optimizer : {'adamw', 'sgd', 'lars'}
        Optimiser, where SGD and LARS have a momentum of 0.9; LARS is for batches of thousands.
    learning_rate : float
        Highest learning rate, after the warm-up.
    weight_decay : float
        Weight decay, decoupled for AdamW and added to the gradient otherwise.
    exclude_bias_and_norm : bool
        Leave biases and norms out of the weight decay and of the scaling of LARS.
    warmup : float
        Share of the steps in which the learning rate grows linearly; a half cosine to zero follows.
    clip_norm : float
        Largest norm of the gradient; a larger gradient is scaled down.
    ema_decay : float, optional
        Decay of a moving average of the encoder's weights, which becomes the result. It moves by
        1 - `ema_decay` a step.
    precision : {'fp32', 'bf16', 'fp16'}
        Precision of matrix products and convolutions.
    compile : bool
        Compile the encoder first; pays off in long runs on a GPU.
    windows_per_epoch : int, optional
        Windows in an epoch; all by default.
    workers : int
        Processes that read windows ahead; they change nothing but the speed.
    save_every : int, optional
        Optimiser steps between checkpoints; the end of each epoch by default.
    patience : int, optional
        Epochs without a higher effective rank on validation subjects after which to stop.
    min_rank : float
        Effective rank on validation subjects below which the run stops as collapsed.
    tensorboard : bool
        Also write the metrics for TensorBoard; needs the extra ``tensorboard``.
    seed : int
        Seed of weights, batches and views.
    device : str
        Device: ``cpu``, ``cuda``, or ``auto`` for CUDA if there is a GPU.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    epochs: int = field(default=20, metadata=POSITIVE)
    batch_size: int = field(default=256, metadata=POSITIVE)
    accumulate: int = field(default=1, metadata=POSITIVE)
    chunk_size: int | None = field(default=None, metadata=POSITIVE)
    optimizer: Literal["adamw", "sgd", "lars"] = "adamw"
    learning_rate: float = field(default=1e-3, metadata=POSITIVE)
    weight_decay: float = field(default=1e-4, metadata=NOT_NEGATIVE)
    exclude_bias_and_norm: bool = True
    warmup: float = field(default=0.05, metadata=SHARE)
    clip_norm: float = field(default=1.0, metadata=POSITIVE)
    ema_decay: float | None = field(default=None, metadata=SHARE)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    windows_per_epoch: int | None = field(default=None, metadata=POSITIVE)
    workers: int = field(default=0, metadata=NOT_NEGATIVE)
    save_every: int | None = field(default=None, metadata=POSITIVE)
    patience: int | None = field(default=None, metadata=POSITIVE)
    min_rank: float = 1.5
    tensorboard: bool = False
    seed: int = field(default=0, metadata=NOT_NEGATIVE)
    device: str = "auto"

    free: ClassVar[tuple[str, ...]] = (
        "workers",
        "save_every",
        "patience",
        "min_rank",
        "tensorboard",
        "device",
    )
    """Settings that change nothing learned, so that a resumed run may have others."""

    def __post_init__(self) -> None:
        for setting in fields(self):
            name, value = setting.name, getattr(self, setting.name)
            allowed, holds = setting.metadata.get("range", ("", lambda _: True))
            if value is not None and not holds(value):
                raise ValueError(f"training.{name} is {value}, it must be {allowed}")
        for name in ("optimizer", "precision"):
            value, choices = getattr(self, name), get_args(type(self).__annotations__[name])
            if value not in choices:
                raise ValueError(
                    f"training.{name} is {value!r}, it must be one of {', '.join(choices)}"
                )
