"""Windows (B, C, T) in, convolutional feature maps (B, D, S) out: `CNN1d` and `ResNet1d`.

Inside, a map is kept as rows (B, S, D), the features of a step side by side. Batch norm and
poolings then run along memory, and a convolution takes rows as an image of height one in the
format channels last, without a copy.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_sizes
from tsclr.encoders.base import DEFAULT_POOLING, Encoder

__all__ = ["CNN1d", "ResNet1d"]

Edges = Literal["zeros", "replicate"]
"""What a convolution sees beyond the ends of a window."""


class CNN1d(Encoder):
    """Small and fast: `depth` blocks of convolution, batch norm and ReLU.

    Block i has ``width · 2^i`` filters. The first halves the steps twice, the others once, so that
    S is about T / 2^(depth + 1); any T is accepted.

    Parameters
    ----------
    in_channels : int
        Channels C of a window.
    width : int
        Filters of the first block.
    depth : int
        Blocks.
    kernel : int
        Steps that a filter spans, odd.
    pooling : sequence of str
        How the steps are reduced: any of ``mean, max, std, last, attention``, concatenated.
    dropout : float
        Probability with which a feature of the map is dropped in training.

    Raises
    ------
    ValueError
        If a size is not positive, `kernel` is even, or a pooling is not known.

    Examples
    --------
    >>> encoder = CNN1d(in_channels=6)
    >>> encoder(torch.randn(4, 6, 128)).shape, encoder.num_features
    (torch.Size([4, 768]), 768)
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 64,
        depth: int = 3,
        kernel: int = 5,
        pooling: Sequence[str] = DEFAULT_POOLING,
        dropout: float = 0.0,
    ) -> None:
        check_sizes(width=width, depth=depth, kernel=kernel)
        _check_odd(kernel)
        super().__init__(in_channels, width * 2 ** (depth - 1), pooling)
        self.width = width
        self.depth = depth
        self.kernel = kernel
        self.dropout = dropout
        rest = (conv_block(width * 2**i, width * 2 ** (i + 1), kernel, 2) for i in range(depth - 1))
        self.layers = nn.Sequential(
            conv_block(in_channels, width, kernel, 4, "replicate"), *rest, nn.Dropout(dropout)
        )

    def features(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D S"]:
        """Map of width · 2^(depth - 1) features at ⌈T / 2^(depth + 1)⌉ steps."""
        return self.layers(x.transpose(1, 2)).transpose(1, 2)


class ResNet1d(Encoder):
    """Residual network: a strided stem, then stages of blocks x + f(x) [1]_.

    Stage i has ``width · 2^i`` filters and halves the steps, the stem halves them too, so that S is
    about T / 2^(stages + 1); any T is accepted.

    Parameters
    ----------
    in_channels : int
        Channels C of a window.
    width : int
        Filters of the stem and of the first stage.
    blocks : sequence of int
        Residual blocks of each stage.
    kernel : int
        Steps that a filter spans, odd.
    pooling : sequence of str
        How the steps are reduced: any of ``mean, max, std, last, attention``, concatenated.

    Raises
    ------
    ValueError
        If a size is not positive, `kernel` is even, there is no stage, or a pooling is not known.

    References
    ----------
    .. [1] He et al., Deep residual learning for image recognition, CVPR 2016, section 3.3, with
       one-dimensional convolutions.

    Examples
    --------
    >>> encoder = ResNet1d(in_channels=6)
    >>> encoder(torch.randn(4, 6, 128)).shape, encoder.num_features
    (torch.Size([4, 384]), 384)
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 32,
        blocks: Sequence[int] = (2, 2, 2),
        kernel: int = 5,
        pooling: Sequence[str] = DEFAULT_POOLING,
    ) -> None:
        # Without a stage, `stages` is what is wrong, so `blocks` must pass.
        check_sizes(width=width, kernel=kernel, stages=len(blocks), blocks=min(blocks, default=1))
        _check_odd(kernel)
        super().__init__(in_channels, width * 2 ** (len(blocks) - 1), pooling)
        self.width = width
        self.blocks = blocks
        self.kernel = kernel
        self.stem = conv_block(in_channels, width, kernel, 2, "replicate")
        widths = [width, *(width * 2**i for i in range(len(blocks)))]
        stages = map(_stage, widths[:-1], widths[1:], [kernel] * len(blocks), blocks)
        self.stages = nn.Sequential(*stages)

    def features(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D S"]:
        """Map of width · 2^(stages - 1) features at ⌈T / 2^(stages + 1)⌉ steps."""
        return self.stages(self.stem(x.transpose(1, 2))).transpose(1, 2)


class Residual(nn.Module):
    """ReLU(shortcut(x) + f(x)), with f two convolutions of which the first has the stride."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        # No ReLU after the second convolution: it follows the sum.
        self.branch = nn.Sequential(
            conv_block(n_in, n_out, kernel, stride), ConvNorm(n_out, n_out, kernel, 1)
        )
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else ConvNorm(n_in, n_out, 1, stride)

    def forward(self, x: Float[torch.Tensor, "B S D"]) -> Float[torch.Tensor, "B R E"]:
        """Apply the block."""
        return torch.relu(self.shortcut(x) + self.branch(x))


class ConvNorm(nn.Module):
    """Convolution and batch norm of rows; S steps become ⌈S / stride⌉ for an odd kernel.

    The convolution has no bias: batch norm takes the mean off again. `edges` is what lies beyond
    the ends, as the `padding_mode` of `torch.nn.Conv1d`.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: int, stride: int, edges: Edges = "zeros"
    ) -> None:
        super().__init__()
        self.stride = stride
        self.padding = kernel // 2
        self.edges = edges
        # It only holds and initialises the weight, under the usual name; `convolve` applies it.
        self.convolution = nn.Conv1d(n_in, n_out, kernel, bias=False)
        self.norm = nn.BatchNorm1d(n_out)

    def forward(self, x: Float[torch.Tensor, "B S D"]) -> Float[torch.Tensor, "B R E"]:
        """Convolve along the steps and normalise each feature."""
        padding = self.padding
        if self.edges == "replicate":
            first, last = (end.expand(-1, padding, -1) for end in (x[:, :1], x[:, -1:]))
            x, padding = torch.cat([first, x, last], dim=1), 0
        rows = convolve(x, self.convolution.weight, self.stride, padding)
        # As (N, D), where batch norm takes a third of the time it takes on (B, D, S).
        return self.norm(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])


def convolve(
    x: Float[torch.Tensor, "B S D"], weight: Float[torch.Tensor, "E D K"], stride: int, padding: int
) -> Float[torch.Tensor, "B R E"]:
    """Convolution along the steps of rows, by that of an image of height one.

    Examples
    --------
    >>> x, weight = torch.randn(2, 9, 3), torch.randn(4, 3, 5)
    >>> plain = nn.functional.conv1d(x.transpose(1, 2), weight, stride=2, padding=2)
    >>> torch.allclose(convolve(x, weight, 2, 2), plain.transpose(1, 2), atol=1e-5)
    True
    """
    # Copies nothing for contiguous rows: their memory is that of an image with channels last.
    image = x.transpose(1, 2).unsqueeze(2).contiguous(memory_format=torch.channels_last)
    result = nn.functional.conv2d(image, weight.unsqueeze(2), None, (1, stride), (0, padding))
    return result.squeeze(2).transpose(1, 2)


def conv_block(
    n_in: int, n_out: int, kernel: int, stride: int, edges: Edges = "zeros"
) -> nn.Sequential:
    """Convolution, batch norm and ReLU of rows.

    The first layer of a network repeats the outermost samples (``edges="replicate"``): zeros there
    would be a jump of 1 g, gravity, at both ends of every window. Later features are 0 at rest.

    Examples
    --------
    >>> conv_block(6, 64, kernel=5, stride=4)(torch.randn(2, 100, 6)).shape
    torch.Size([2, 25, 64])
    """
    return nn.Sequential(ConvNorm(n_in, n_out, kernel, stride, edges), nn.ReLU())


def _stage(n_in: int, n_out: int, kernel: int, n_blocks: int) -> nn.Sequential:
    """Blocks of one width; the first halves the steps."""
    more = [Residual(n_out, n_out, kernel, 1) for _ in range(n_blocks - 1)]
    # In He et al. the first stage keeps the steps, which a max pooling after the stem has halved.
    return nn.Sequential(Residual(n_in, n_out, kernel, 2), *more)


def _check_odd(kernel: int) -> None:
    """Raise unless a filter has a middle, without which S would not be ⌈S / stride⌉."""
    if kernel % 2 == 0:
        raise ValueError(f"kernel is {kernel}, expected an odd number such as {kernel + 1}")
