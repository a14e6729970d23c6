"""A batch in, weights one step further on out: precision, memory and processes of a step."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from tsclr.distributed import is_parallel
from tsclr.encoders import Encoder
from tsclr.objectives import Objective
from tsclr.objectives.batch import Batch
from tsclr.train.settings import Training

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
BF16_HARDWARE = ("amx_bf16", "avx512_bf16", "bf16")
"""Names of instructions, on Intel and AMD, and on ARM, as torch knows them."""
Encode = Callable[..., torch.Tensor]


class Learner(nn.Module):
    """Encoder and objective as one module, so that a step is one forward pass.

    Parameters
    ----------
    encoder : Encoder
        What is trained.
    objective : Objective
        Built for it.
    """

    def __init__(self, encoder: Encoder, objective: Objective) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective

    def forward(self, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Terms of the loss.

        Parameters
        ----------
        batch : Batch
            The windows of this process.
        """
        return self.objective(self.encoder, batch)


class TrainStep:
    """Takes steps of training with the precision, memory and processes that the settings ask for.

    Parameters
    ----------
    learner : Learner
        Moved to its device already.
    optimizer : Optimizer
        Over its weights.
    scaler : GradScaler or None
        Of ``fp16``; None for every other precision.
    training : Training
        Settings.
    device : torch.device
        Where the learner lies.

    Raises
    ------
    ValueError
        If the device has no hardware for the precision, or the batch cannot be cut as asked.
    """

    def __init__(
        self,
        learner: Learner,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler | None,
        training: Training,
        device: torch.device,
    ) -> None:
        check_precision(training.precision, device)
        if training.chunk_size:
            encode_in_chunks(learner.encoder, training.chunk_size)
        if training.compile:
            compile_features(learner.encoder)
        self.learner = learner
        self.optimizer = optimizer
        self.training = training
        self.device = device
        self.scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
        self.model: nn.Module = learner
        if is_parallel():
            # Features that an objective does not read, as those of a pooling, get no gradient.
            # Gradients are then also summed in one order in every step, the first of a resumed run
            # as well.
            options: dict[str, Any] = {"find_unused_parameters": True, _SYNC_BUFFERS: False}
            self.model = DistributedDataParallel(learner, **options)

    def __call__(self, batch: Batch, rate: float) -> dict[str, Float[torch.Tensor, ""]]:
        """Move the weights down the gradient of the loss; give its terms.

        Parameters
        ----------
        batch : Batch
            The windows of this process.
        rate : float
            Learning rate of this step.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        parts = list(self._parts(batch))
        found = [self._backward(part, part is parts[-1], len(parts)) for part in parts]
        self.scaler.unscale_(self.optimizer)
        weights = [p for group in self.optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, self.training.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.learner.objective.after_step(self.learner.encoder)
        return {name: torch.stack([terms[name] for terms in found]).mean() for name in found[0]}

    def _parts(self, batch: Batch) -> Iterator[Batch]:
        """The batch, cut as gradient accumulation asks."""
        size, left = divmod(len(batch), self.training.accumulate)
        if left or size < 2:
            raise ValueError(
                f"training.accumulate is {self.training.accumulate}, but a batch of {len(batch)} "
                "windows cannot be cut into so many equal parts of two windows or more"
            )
        return (batch.rows(slice(low, low + size)) for low in range(0, len(batch), size))

    def _backward(self, part: Batch, is_last: bool, n_parts: int) -> dict[str, torch.Tensor]:
        """Add the gradient of one part; processes exchange theirs with the last one."""
        waits = isinstance(self.model, DistributedDataParallel) and not is_last
        half = HALF.get(self.training.precision)
        with self.model.no_sync() if waits else nullcontext():  # type: ignore[operator]
            with torch.autocast(self.device.type, half, enabled=half is not None):
                terms = self.model(part)
            loss = torch.stack(list(terms.values())).sum() / n_parts
            self.scaler.scale(loss).backward()
        return {name: term.detach() for name, term in terms.items()}


_SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")  # the second until torch 2.12
    if name in inspect.signature(DistributedDataParallel).parameters
)


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision for which the device has no hardware: it would be many times slower.

    Parameters
    ----------
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.
    device : torch.device
        Where training runs.

    Raises
    ------
    ValueError
        If it would be emulated, or cannot run at all.
    """
    if precision == "fp32":
        return
    if device.type == "cpu":
        if precision == "bf16" and any(map(torch.cpu.get_capabilities().get, BF16_HARDWARE)):
            return
        raise ValueError(
            f"training.precision {precision}: this processor would only emulate it, more slowly "
            "than single precision; take fp32, or a GPU"
        )
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
        raise ValueError("training.precision bf16: this GPU has none; take fp16 or fp32")


def compile_features(encoder: Encoder) -> None:
    """Compile the network of the encoder, or of each encoder that it is made of.

    Parameters
    ----------
    encoder : Encoder
        Changed in place.
    """
    for module in encoder.modules():
        if isinstance(module, Encoder):
            module.features = torch.compile(module.features)


def encode_in_chunks(encoder: Encoder, size: int) -> None:
    """Let the encoder keep the activations of `size` windows at a time and make them again.

    Outputs and gradients are those of the whole batch, but for BatchNorm, which normalises each
    chunk on its own. It is the memory of GradCache (Gao et al., RepL4NLP 2021) for any objective.

    Parameters
    ----------
    encoder : Encoder
        Changed in place.
    size : int
        Windows of a chunk.
    """
    encoder.forward = _chunked(encoder.forward, encoder, size)
    encoder.forward_features = _chunked(encoder.forward_features, encoder, size)


def _chunked(encode: Encode, encoder: Encoder, size: int) -> Encode:
    """The same function, a chunk at a time where there is a gradient to come."""

    def encoded(x: torch.Tensor) -> torch.Tensor:
        if len(x) <= size or not torch.is_grad_enabled():
            return encode(x)
        parts = [
            checkpoint(
                encode,
                part,
                use_reentrant=False,
                context_fn=lambda: (nullcontext(), _without_memory(encoder)),
            )
            for part in x.split(size)
        ]
        return torch.cat(parts)

    return encoded


@contextlib.contextmanager
def _without_memory(encoder: Encoder) -> Iterator[None]:
    """Running moments of batch norms stay while activations are made a second time."""
    kinds = (nn.BatchNorm1d, nn.SyncBatchNorm)
    norms = [each for each in encoder.modules() if isinstance(each, kinds)]
    counts = [norm.num_batches_tracked for norm in norms]
    kept = [(norm.momentum, deepcopy(count)) for norm, count in zip(norms, counts, strict=True)]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, count, (momentum, before) in zip(norms, counts, kept, strict=True):
            norm.momentum = momentum
            if count is not None and before is not None:
                count.copy_(before)
