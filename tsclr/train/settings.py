"""How long and how fast to train: the block ``training`` of a config."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args


@dataclass
class Training:
    """How long and how fast to train.

    Parameters
    ----------
    epochs : int
        Passes over the training windows.
    batch_size : int
        Pairs per step, of all processes together.
    accumulate : int
        Parts of a batch that pass one after the other; each is contrasted within itself, and the
        gradients are averaged.
    chunk_size : int, optional
        Windows that pass through the encoder at a time. The loss is still that of the whole batch
        while memory is that of a chunk; every chunk is encoded twice, and BatchNorm sees a chunk.
    optimizer : {'adamw', 'sgd', 'lars'}
        SGD and LARS with a momentum of 0.9; LARS is for batches of thousands.
    learning_rate : float
        Highest rate, after the warm-up.
    weight_decay : float
        Decoupled for AdamW, added to the gradient otherwise.
    exclude_bias_and_norm : bool
        Spare biases and norms the weight decay, and the scaling of LARS.
    warmup : float
        Share of the steps with a rate that grows linearly; a half cosine to zero follows.
    clip_norm : float
        Largest norm of the gradient.
    ema_decay : float, optional
        Keep an average of the encoder's weights, which moves by 1 - `ema_decay` a step, and give
        that as the result.
    precision : {'fp32', 'bf16', 'fp16'}
        Of matrix products and convolutions.
    compile : bool
        Compile the encoder first; pays off in long runs on a GPU.
    windows_per_epoch : int, optional
        Windows drawn per epoch; all by default.
    workers : int
        Processes that read windows ahead; they change nothing but the speed.
    save_every : int, optional
        Steps between checkpoints; the end of each epoch by default.
    patience : int, optional
        Epochs without a higher effective rank on validation subjects after which to stop.
    min_rank : float
        Effective rank on validation subjects below which the run stops as collapsed.
    tensorboard : bool
        Write the epochs for TensorBoard too; needs the extra ``tensorboard``.
    seed : int
        Seed of weights, batches and views.
    device : str
        ``cpu``, ``cuda``, or ``auto``: cuda where there is one.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    epochs: int = 20
    batch_size: int = 256
    accumulate: int = 1
    chunk_size: int | None = None
    optimizer: Literal["adamw", "sgd", "lars"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    exclude_bias_and_norm: bool = True
    warmup: float = 0.05
    clip_norm: float = 1.0
    ema_decay: float | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    windows_per_epoch: int | None = None
    workers: int = 0
    save_every: int | None = None
    patience: int | None = None
    min_rank: float = 1.5
    tensorboard: bool = False
    seed: int = 0
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
        for name in (
            "epochs",
            "batch_size",
            "accumulate",
            "chunk_size",
            "learning_rate",
            "clip_norm",
            "windows_per_epoch",
            "save_every",
            "patience",
        ):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"training.{name} is {getattr(self, name)}, it must be above 0")
        for name in ("weight_decay", "workers", "seed"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"training.{name} is {getattr(self, name)}, it must be at least 0")
        for name in ("warmup", "ema_decay"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise ValueError(f"training.{name} is {getattr(self, name)}, it must be in [0, 1)")
        self._check_choices()

    def _check_choices(self) -> None:
        """Raise ``ValueError`` for a name that is none of those allowed."""
        for name in ("optimizer", "precision"):
            given, allowed = getattr(self, name), get_args(type(self).__annotations__[name])
            if given not in allowed:
                raise ValueError(
                    f"training.{name} is {given!r}, it must be one of {', '.join(allowed)}"
                )
