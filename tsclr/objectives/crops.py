"""Windows in, two crops of each with common steps out: what `TS2Vec` shows the encoder."""

from bisect import bisect_left
from typing import NamedTuple

import torch
from jaxtyping import Float, Int

from tsclr.distributed import own_rows, world_size
from tsclr.encoders.base import Encoder
from tsclr.objectives.blocks import averaged_copy

LONGEST_STEP = 4096
"""Samples of a step that `samples_per_step` looks for at most."""


class Crops(NamedTuple):
    """Two overlapping crops, in steps: the first begins earlier, the second ends later.

    ::

        first   begin ├──────────┼═════════════┤ stop
        second                   ┤═════════════┼───────┤ end
                              start  common

    """

    begin: int
    start: int
    stop: int
    end: int


def draw_crops(n_steps: int, generator: torch.Generator | None) -> Crops:
    """Draw two crops with two common steps or more, as the code published with the paper does."""

    def integer(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    n_common = integer(2, n_steps)
    start = integer(0, n_steps - n_common)
    stop = start + n_common
    return Crops(integer(0, start), start, stop, integer(stop, n_steps))


def samples_per_step(encoder: Encoder) -> int:
    """Samples between two steps of a feature map: the longest window that has one step.

    ``ValueError`` if the number of steps does not grow with the window like that.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d, Transformer
    >>> samples_per_step(CNN1d(in_channels=6)), samples_per_step(Transformer(6, patch=10))
    (16, 10)
    """
    # A copy, so that neither the mode nor the moments of a batch norm change in the encoder.
    probe = averaged_copy(encoder).eval()

    def n_steps(n_samples: int) -> int:
        window = encoder.input_scale.new_zeros(1, encoder.in_channels, n_samples)
        return probe.forward_features(window).shape[-1]

    several = range(2, LONGEST_STEP + 1)
    # `several` begins at 2, so entry i is i + 2 samples long: the first length with two steps.
    stride = 1 + bisect_left(several, True, key=lambda n_samples: n_steps(n_samples) > 1)
    three, four = n_steps(3 * stride), n_steps(3 * stride + 1)
    if (three, four) != (3, 4):
        raise ValueError(
            f"{type(encoder).__name__} makes {three} steps of {3 * stride} samples and {four} of "
            "one more: TS2Vec needs steps at even distances, ⌈T / stride⌉ of T samples"
        )
    return stride


def cropped(
    x: Float[torch.Tensor, "B C T"], first: Int[torch.Tensor, " B"], length: int
) -> Float[torch.Tensor, "B C L"]:
    """Part of each window, from a sample of its own on.

    Examples
    --------
    >>> cropped(torch.arange(6.0).view(2, 1, 3), torch.tensor([0, 1]), 2)
    tensor([[[0., 1.]],
            [[4., 5.]]])
    """
    samples = first[:, None] + torch.arange(length, device=x.device)
    return x.gather(2, samples[:, None].expand(-1, x.shape[1], -1))


def masked(
    x: Float[torch.Tensor, "B C T"], fraction: float, generator: torch.Generator | None
) -> Float[torch.Tensor, "B C T"]:
    """Replace single samples, in all channels, by the mean of each channel."""
    B, _, T = x.shape
    luck = own_rows(torch.rand(world_size() * B, 1, T, generator=generator)).to(x.device)
    return x.where(luck >= fraction, x.mean(2, keepdim=True))
