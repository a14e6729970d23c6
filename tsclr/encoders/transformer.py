"""Windows (B, C, T) in, a map of patch tokens (B, width, ⌈T / patch⌉) out."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_sizes
from tsclr.encoders.base import DEFAULT_POOLING, Encoder

__all__ = ["Transformer"]


class Transformer(Encoder):
    """Transformer over patches of `patch` samples: a linear embedding, then pre-norm layers [1]_.

    A window of any length is accepted: positions are sinusoids [2]_, and the last patch is filled
    up with zeros. A zero adds nothing to a linear embedding, so its token is that of its real
    samples alone, and no token is made of filling only: there is nothing to mask in the attention
    or in the pooling::

        T = 20, patch = 8     xxxxxxxx xxxxxxxx xxxx0000
                              token 0  token 1  token 2

    Parameters
    ----------
    in_channels : int
        Channels C of a window.
    patch : int
        Samples per token.
    width : int
        Features of a token.
    depth : int
        Layers.
    heads : int
        Attention heads; divides `width`.
    pooling : sequence of str
        How the tokens are reduced: any of ``mean, max, std, last, attention``, concatenated.
    dropout : float
        Probability, as in `torch.nn.TransformerEncoderLayer`.

    Raises
    ------
    ValueError
        If a size is not positive, `width` is odd or no multiple of `heads`, or a pooling is not
        known.

    References
    ----------
    .. [1] Nie et al., A time series is worth 64 words, ICLR 2023, section 3.1. Here a token holds
       all channels of its patch, and patches do not overlap.
    .. [2] Vaswani et al., Attention is all you need, NeurIPS 2017, section 3.5.

    Examples
    --------
    >>> encoder = Transformer(in_channels=6)
    >>> encoder(torch.randn(4, 6, 100)).shape, encoder.num_features
    (torch.Size([4, 288]), 288)
    """

    def __init__(
        self,
        in_channels: int,
        patch: int = 8,
        width: int = 96,
        depth: int = 3,
        heads: int = 4,
        pooling: Sequence[str] = DEFAULT_POOLING,
        dropout: float = 0.1,
    ) -> None:
        check_sizes(patch=patch, width=width, depth=depth, heads=heads)
        if width % heads or width % 2:
            raise ValueError(f"width is {width}, expected an even multiple of heads = {heads}")
        super().__init__(in_channels, width, pooling)
        self.patch = patch
        self.width = width
        self.depth = depth
        self.heads = heads
        self.dropout = dropout
        self.embedding = nn.Linear(in_channels * patch, width)
        # nn.TransformerEncoder copies one layer, so that all would start with the same weights.
        self.layers = nn.Sequential(*(self._layer() for _ in range(depth)))
        # Pre-norm layers leave their sum as large as it grows; this brings tokens to one scale.
        self.norm = nn.LayerNorm(width)

    def _layer(self) -> nn.TransformerEncoderLayer:
        return nn.TransformerEncoderLayer(
            self.width,
            self.heads,
            dim_feedforward=4 * self.width,
            dropout=self.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )

    def features(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D S"]:
        """Map of `width` features at ⌈T / patch⌉ tokens."""
        tokens = self.embedding(patches(x, self.patch))
        # Made anew rather than kept in a buffer, which would limit the length of a window.
        tokens = tokens + sinusoids(tokens.shape[1], self.width).to(tokens)
        return self.norm(self.layers(tokens)).transpose(1, 2)


def patches(x: Float[torch.Tensor, "B C T"], size: int) -> Float[torch.Tensor, "B S P"]:
    """Cut windows into patches of `size` samples with all their channels, P = C · size.

    Examples
    --------
    >>> patches(torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), 2)
    tensor([[[1., 2., 4., 5.],
             [3., 0., 6., 0.]]])
    """
    padded = nn.functional.pad(x, (0, -x.shape[2] % size))
    return padded.unflatten(2, (-1, size)).transpose(1, 2).flatten(2)


def sinusoids(n_steps: int, width: int) -> Float[torch.Tensor, "n_steps width"]:
    """Positions as sines and cosines of 1 to 10,000 · 2π steps.

    Examples
    --------
    >>> sinusoids(2, 4)
    tensor([[0.0000, 0.0000, 1.0000, 1.0000],
            [0.8415, 0.0100, 0.5403, 0.9999]])
    """
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(n_steps)[:, None] * rates
    # The paper interleaves sines and cosines: a mere permutation of features.
    return torch.cat([angles.sin(), angles.cos()], dim=1)
