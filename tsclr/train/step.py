"""One step of training: precision, memory and processes."""

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


class _ChunkedEncoder(Encoder):
    """An encoder that keeps the activations of `size` windows at a time and recomputes them.

    Outputs and gradients are those of the whole batch, except that BatchNorm normalises each chunk
    by itself. It is the memory of GradCache (Gao et al., RepL4NLP 2021) for any objective.
    """

    def __init__(self, encoder: Encoder, size: int) -> None:
        nn.Module.__init__(self)  # the weights and the input scale are those of the encoder
        self.encoder, self.size = encoder, size
        self.in_channels, self.feature_width = encoder.in_channels, encoder.feature_width
        self.input_scale = encoder.input_scale

    @property
    def part_widths(self) -> tuple[int, ...]:
        """Those of the encoder."""
        return self.encoder.part_widths

    def features(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D S"]:
        """Those of the encoder."""
        return self.encoder.features(x)

    def forward_head(self, features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B F"]:
        """That of the encoder."""
        return self.encoder.forward_head(features)

    def forward_features(self, x: Float[torch.Tensor, "... C T"]) -> Float[torch.Tensor, "B D S"]:
        """Feature map of windows, made chunk by chunk."""
        return self._in_chunks(self.encoder.forward_features, x)

    def forward(self, x: Float[torch.Tensor, "... C T"]) -> Float[torch.Tensor, "B F"]:
        """Pooled features of windows, made chunk by chunk."""
        return self._in_chunks(self.encoder, x)

    def _in_chunks(
        self, encode: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
    ) -> torch.Tensor:
        """The same function, a chunk at a time where there is a gradient to come."""
        if len(x) <= self.size or not torch.is_grad_enabled():
            return encode(x)
        # `checkpoint` keeps only the input of a chunk, and encodes it again for the gradient.
        chunks = [
            checkpoint(
                encode,
                chunk,
                use_reentrant=False,
                # The second pass must not move the running moments of BatchNorm again.
                context_fn=lambda: (nullcontext(), _without_memory(self.encoder)),
            )
            for chunk in x.split(self.size)
        ]
        return torch.cat(chunks)


class Learner(nn.Module):
    """Encoder and objective as one module, so that a step is one forward pass."""

    def __init__(
        self, encoder: Encoder, objective: Objective, chunk_size: int | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective
        self.chunk_size = chunk_size

    def forward(self, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Terms of the loss on the windows of this process."""
        if self.chunk_size is None:
            return self.objective(self.encoder, batch)
        # Made for one step and kept nowhere: optimiser and checkpoint know the encoder alone.
        return self.objective(_ChunkedEncoder(self.encoder, self.chunk_size), batch)


class TrainStep:
    """One optimiser step, with the precision, memory and processes that the settings ask for.

    ``ValueError`` if the device has no hardware for the precision, or the batch cannot be cut as
    asked.
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
        if training.compile:
            compile_features(learner.encoder)
        self.learner = learner
        self.optimizer = optimizer
        self.training = training
        self.device = device
        # A disabled one passes everything through, so that a step is written once.
        self.scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
        self.model: nn.Module = learner
        if is_parallel():
            # Features that an objective does not read, as those of a pooling, get no gradient.
            # Gradients are then also summed in one order in every step, the first of a resumed run
            # as well.
            # Buffers need no broadcast: norms are synchronised, and queues take the keys of all.
            options: dict[str, Any] = {"find_unused_parameters": True, _SYNC_BUFFERS: False}
            self.model = DistributedDataParallel(learner, **options)

    def __call__(self, batch: Batch, rate: float) -> dict[str, Float[torch.Tensor, ""]]:
        """Move the weights along the gradient of the loss at this learning rate; give its terms."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        batches = list(self._micro_batches(batch))
        terms = [self._backward(micro, micro is batches[-1], len(batches)) for micro in batches]
        # Before clipping, which is by the norm of the true gradient.
        self.scaler.unscale_(self.optimizer)
        weights = [p for group in self.optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, self.training.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.learner.objective.after_step(self.learner.encoder)
        return {name: torch.stack([chunk[name] for chunk in terms]).mean() for name in terms[0]}

    def _micro_batches(self, batch: Batch) -> Iterator[Batch]:
        """The batch, cut as gradient accumulation asks."""
        size, left = divmod(len(batch), self.training.accumulate)
        if left or size < 2:
            raise ValueError(
                f"training.accumulate is {self.training.accumulate}, but a batch of {len(batch)} "
                "windows cannot be divided into that many equal chunks of at least two windows"
            )
        return (batch.rows(slice(low, low + size)) for low in range(0, len(batch), size))

    def _backward(self, batch: Batch, is_last: bool, n_batches: int) -> dict[str, torch.Tensor]:
        """Add the gradient of a micro-batch; processes exchange theirs with the last one."""
        waits = isinstance(self.model, DistributedDataParallel) and not is_last
        half = HALF.get(self.training.precision)
        # `no_sync` has to include the forward pass.
        with self.model.no_sync() if waits else nullcontext():  # type: ignore[operator]
            with torch.autocast(self.device.type, half, enabled=half is not None):
                terms = self.model(batch)
            loss = torch.stack(list(terms.values())).sum() / n_batches
            self.scaler.scale(loss).backward()
        return {name: term.detach() for name, term in terms.items()}


_SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")  # the second until torch 2.12
    if name in inspect.signature(DistributedDataParallel).parameters
)


def check_precision(precision: str, device: torch.device) -> None:
    """Raise ``ValueError`` for a precision that the device would only emulate, slowly."""
    if precision == "fp32":
        return
    if device.type == "cpu":
        if precision == "bf16" and any(map(torch.cpu.get_capabilities().get, BF16_HARDWARE)):
            return
        raise ValueError(
            f"training.precision {precision}: this processor would only emulate it, more slowly "
            "than single precision; use fp32, or a GPU"
        )
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
        raise ValueError("training.precision bf16: this GPU does not support it; use fp16 or fp32")


def compile_features(encoder: Encoder) -> None:
    """Compile, in place, the network of the encoder, or of each encoder that it is made of."""
    for module in encoder.modules():
        if isinstance(module, Encoder):
            # Only this method: a compiled module would save its weights under other names.
            module.features = torch.compile(module.features)


@contextlib.contextmanager
def _without_memory(encoder: Encoder) -> Iterator[None]:
    """Running moments of batch norms stay while activations are made a second time."""
    kinds = (nn.BatchNorm1d, nn.SyncBatchNorm)
    norms = [module for module in encoder.modules() if isinstance(module, kinds)]
    counts = [norm.num_batches_tracked for norm in norms]
    saved = [(norm.momentum, deepcopy(count)) for norm, count in zip(norms, counts, strict=True)]
    for norm in norms:
        # Unlike evaluation mode, which would also normalise by the running moments.
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, count, (momentum, before) in zip(norms, counts, saved, strict=True):
            norm.momentum = momentum
            if count is not None and before is not None:
                count.copy_(before)
