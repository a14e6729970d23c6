"""What several processes share: sums and rows with gradient, batch norms, work done by one.

A step of W processes is a step of one process on the whole batch: each process has B / W of its
windows, `gather` joins what they made of them, and the gradients of the W losses are averaged, as
`torch.nn.parallel.DistributedDataParallel` does. Alone, every function is the identity or a plain
mean, so objectives are written once.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Shaped
from torch import distributed, nn

T = TypeVar("T")
Module = TypeVar("Module", bound=nn.Module)


def is_parallel() -> bool:
    """Whether there are several processes."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if is_parallel() else 0


def world_size() -> int:
    """How many processes there are (W)."""
    return distributed.get_world_size() if is_parallel() else 1


@contextmanager
def joined(device_type: str) -> Iterator[None]:
    """Join the processes that torchrun started, for the block; alone, do nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or is_parallel():
        yield
        return
    distributed.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def on_rank_zero(work: Callable[[], T]) -> T:
    """What process 0 gets from `work`, in every process; what fails there fails in all.

    So nobody waits for a process that has given up.

    Examples
    --------
    >>> on_rank_zero(lambda: 3)
    3
    """
    if not is_parallel():
        return work()
    outcome: list[Any] = [None, None]  # what it gives, and what it raises
    if rank() == 0:
        try:
            outcome[0] = work()
        except Exception as error:
            outcome[1] = error
    distributed.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]  # type: ignore[no-any-return]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.n_rows, x = len(x), x.contiguous()  # `empty_like` keeps the strides of a transposed x
        rows = [torch.empty_like(x) for _ in range(world_size())]
        distributed.all_gather(rows, x)
        return torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        # Every process has a loss on these rows; the sum of its gradients belongs to their owner.
        return gradient.narrow(0, rank() * ctx.n_rows, ctx.n_rows)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        x = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient


def gather(x: Shaped[torch.Tensor, "N ..."]) -> Shaped[torch.Tensor, "M ..."]:
    """Rows of all processes in the order of their ranks, with gradient to each.

    The gradient of a row is the sum over the losses of all processes, so that averaging the
    gradients of the weights gives that of the mean loss.

    Parameters
    ----------
    x : (N, ...) tensor
        As many rows in every process.

    Returns
    -------
    (W · N, ...) tensor
        Rows of this process start at ``rank() * N``.

    Examples
    --------
    >>> gather(torch.arange(3.0))
    tensor([0., 1., 2.])
    """
    return _Gather.apply(x) if is_parallel() else x  # type: ignore[no-any-return]


def total(x: Float[torch.Tensor, "..."]) -> Float[torch.Tensor, "..."]:
    """Sum over the processes, element by element, with gradient to each."""
    return _Sum.apply(x) if is_parallel() else x  # type: ignore[no-any-return]


def own_rows(whole: Shaped[torch.Tensor, "M ..."]) -> Shaped[torch.Tensor, "N ..."]:
    """The rows of this process of something made for the whole batch, as random draws are."""
    n_rows = len(whole) // world_size()
    return whole.narrow(0, rank() * n_rows, n_rows)


def masked_mean(
    values: Float[torch.Tensor, " N"], mask: Bool[torch.Tensor, " N"]
) -> Float[torch.Tensor, ""]:
    """Mean of the values that `mask` names; averaged over processes it is that of all of them.

    Examples
    --------
    >>> masked_mean(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([True, False, True]))
    tensor(3.5000)
    """
    count = total(mask.sum().to(values.dtype)) / world_size()
    return values.where(mask, 0).sum() / count.clamp_min(1 / world_size())


class GlooBatchNorm1d(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` over the batch of all processes, on devices without NCCL.

    `torch.nn.SyncBatchNorm` runs on accelerators alone. Arguments and attributes are those of
    `torch.nn.BatchNorm1d`.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Normalise; in training by the moments of the whole batch."""
        if not (self.training and is_parallel()):
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        count = world_size() * input.numel() // input.shape[1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        x = input.to(torch.promote_types(input.dtype, torch.float32))  # no moments in half
        mean = total(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = total(centred.square().sum(axes)) / count
        # As in torch: the running variance is unbiased, the one that normalises is not.
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scaled = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            scaled = torch.addcmul(self.bias.view(shape), scaled, self.weight.view(shape))
        return scaled.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Move the running moments."""
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var), self.momentum)


def with_synchronised_norms(module: Module, device_type: str) -> Module:
    """The module with every batch norm over the whole batch; weights stay the same objects."""
    if device_type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-any-return]
    if type(module) is nn.BatchNorm1d:
        synchronised = GlooBatchNorm1d(
            module.num_features,
            module.eps,
            module.momentum,
            module.affine,
            module.track_running_stats,
        )
        synchronised._parameters, synchronised._buffers = module._parameters, module._buffers
        return synchronised.train(module.training)  # type: ignore[return-value]
    for name, child in module.named_children():
        setattr(module, name, with_synchronised_norms(child, device_type))
    return module
