"""Windows (B, C, T) in, feature maps (B, D, S) and pooled features (B, num_features) out.

An encoder writes one method, `features`; the base checks and scales the input and pools the steps::

    x (B, C, T) ── check, / input_scale ──▶ features ──▶ (B, D, S) ── pooling ──▶ (B, num_features)
    └────────────────── forward_features ──────────────────┘
    └──────────────────────────────── forward ────────────────────────────────┘

An encoder made of others has no pooling of its own: it also writes `forward_head`, which otherwise
is the pooling, and `part_widths`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_sizes
from tsclr.encoders.pooling import Pooling

__all__ = ["Encoder"]

DEFAULT_POOLING = ("mean", "max", "std")
"""What the window is like on average, at its strongest, and how much it changes."""


class Encoder(nn.Module, ABC):
    """Base of every encoder.

    Parameters
    ----------
    in_channels : int
        Channels C of a window.
    feature_width : int
        Features D of the map that `features` returns.
    pooling : sequence of str, optional
        How the steps are reduced: any of ``mean, max, std, last, attention``, concatenated. None
        where an encoder writes `forward_head` itself.

    Attributes
    ----------
    input_scale : (C,) buffer
        Every window is divided by it before the network; ones until somebody sets it.

    Raises
    ------
    ValueError
        If a size is not positive or a pooling is not known.
    """

    min_length: int = 1
    """Fewest samples T of a window."""

    input_scale: torch.Tensor
    pool: Pooling

    def __init__(
        self, in_channels: int, feature_width: int, pooling: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        check_sizes(in_channels=in_channels, feature_width=feature_width)
        self.in_channels = in_channels
        self.feature_width = feature_width
        if pooling is not None:
            self.pooling = pooling
            self.pool = Pooling(pooling, feature_width)
        # A buffer: it moves and is saved with the weights, but no optimiser changes it.
        self.register_buffer("input_scale", torch.ones(in_channels))

    @property
    def num_features(self) -> int:
        """Length of a pooled feature vector."""
        return sum(self.part_widths)

    @property
    def part_widths(self) -> tuple[int, ...]:
        """Features of each part of a pooled vector; a `Concat` has a part for each encoder."""
        return (self.pool.num_features,)

    @abstractmethod
    def features(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D S"]:
        """Feature map of checked and scaled windows; the one method that an encoder writes.

        Parameters
        ----------
        x : (B, C, T)
            Windows, already divided by `input_scale`.

        Returns
        -------
        (B, D, S)
            D features at S steps in the order of time.
        """

    def pooled(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B F"]:
        """Pooled features of checked and scaled windows.

        Parameters
        ----------
        x : (B, C, T)
            Windows, already divided by `input_scale`.

        Returns
        -------
        (B, num_features)
            One vector per window.
        """
        # Not `forward_features`, which would divide by `input_scale` a second time.
        return self.forward_head(self.features(x))

    def forward_head(self, features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B F"]:
        """Pool a feature map: what `forward` makes of that of `forward_features`.

        Parameters
        ----------
        features : (B, D, S)
            As `forward_features` gives it.

        Returns
        -------
        (B, num_features)
            One vector per window.
        """
        return self.pool(features)

    def forward_features(self, x: Float[torch.Tensor, "... C T"]) -> Float[torch.Tensor, "B D S"]:
        """Feature map of windows, one vector per step.

        Parameters
        ----------
        x : (B, C, T)
            Windows in the units of `tsclr.types.UNITS`.

        Returns
        -------
        (B, D, S)
            D features at S steps in the order of time.

        Raises
        ------
        ValueError
            If `x` is not (B, in_channels, T), or T is below `min_length`.
        """
        return self.features(self._scaled(x))

    def forward(self, x: Float[torch.Tensor, "... C T"]) -> Float[torch.Tensor, "B F"]:
        """Pooled features of windows.

        Parameters
        ----------
        x : (B, C, T)
            Windows in the units of `tsclr.types.UNITS`.

        Returns
        -------
        (B, num_features)
            One vector per window.

        Raises
        ------
        ValueError
            If `x` is not (B, in_channels, T), or T is below `min_length`.
        """
        return self.pooled(self._scaled(x))

    def parts(self, x: Float[torch.Tensor, "... C T"]) -> list[Float[torch.Tensor, "B _"]]:
        """Pooled features of windows, cut into the parts that `part_widths` announces.

        Parameters
        ----------
        x : (B, C, T)
            Windows in the units of `tsclr.types.UNITS`.

        Returns
        -------
        list of (B, part_width)
            One tensor per part.

        Raises
        ------
        ValueError
            If `x` is not (B, in_channels, T), or T is below `min_length`.
        """
        return list(self(x).split(self.part_widths, dim=1))

    def _scaled(self, x: torch.Tensor) -> torch.Tensor:
        """Checked windows, divided by `input_scale`."""
        self._check(tuple(x.shape))
        return x / self.input_scale[:, None]

    def _check(self, shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` unless `shape` is (B, in_channels, T)."""
        right_channels = len(shape) == 3 and shape[1] == self.in_channels
        if right_channels and shape[2] >= self.min_length:
            return
        hint = "check the channels of the input against those of the encoder"
        if right_channels:
            hint = f"{type(self).__name__} needs at least {self.min_length} samples a window"
        elif len(shape) == 3 and shape[2] == self.in_channels:
            hint = "time and channels are swapped: pass x.transpose(1, 2)"
        elif len(shape) == 2:
            hint = "a single window needs a leading axis: pass x[None]"
        raise ValueError(f"windows have shape {shape}, expected (B, {self.in_channels}, T): {hint}")


def build_encoder(encoder: Callable[[int], Encoder], in_channels: int) -> Encoder:
    """An encoder for so many channels: what a callable makes, or the encoder that was passed.

    A config gives callables, so that the weights are new for every run and drawn from its seed.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> build_encoder(CNN1d, 3).in_channels
    3
    >>> build_encoder(CNN1d(6), 3)
    Traceback (most recent call last):
    ValueError: CNN1d takes 6 channels, but gets 3 here: make it with in_channels=3
    """
    # An encoder is itself callable, so `callable` would not tell it from what makes one.
    if not isinstance(encoder, Encoder):
        encoder = encoder(in_channels)
    if encoder.in_channels != in_channels:
        raise ValueError(
            f"{type(encoder).__name__} takes {encoder.in_channels} channels, but gets "
            f"{in_channels} here: make it with in_channels={in_channels}"
        )
    return encoder
