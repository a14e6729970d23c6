"""Encoders in, an encoder out: several side by side, or one that sees the spectrum."""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_sizes
from tsclr.encoders.base import Encoder, build_encoder

__all__ = ["Concat", "Spectrum"]


class Concat(Encoder):
    """Several encoders side by side, on all channels or each on its own; features are concatenated.

    Each encoder pools its steps in its own way. So an encoder for each sensor or device is a
    `Concat`, and so is a learned network beside `Statistics`::

        x ──▶ acc (B, 3, T) ──▶ encoders[0] ──▶ (B, F0) ──┐
         └──▶ gyr (B, 3, T) ──▶ encoders[1] ──▶ (B, F1) ──┴──▶ (B, F0 + F1)

    The scale is that of the outer encoder; those inside keep an `input_scale` of ones.

    Parameters
    ----------
    in_channels : int
        Channels C of a window.
    encoders : sequence of Encoder, or of callables
        A callable makes an encoder from its number of channels, as in a config, where the ones
        inside are written without `in_channels`.
    channels : sequence of sequences of int, optional
        Numbers of the channels that each encoder sees; all by default.

    Raises
    ------
    ValueError
        If there is no encoder or one is passed twice, `channels` has not one list for each, a
        channel does not exist or is named twice in a list, or an encoder takes another number of
        channels.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = Concat(6, [CNN1d(3, width=8), CNN1d(3)], channels=[[0, 1, 2], [3, 4, 5]])
    >>> x = torch.randn(4, 6, 128)
    >>> encoder(x).shape, [tuple(part.shape) for part in encoder.parts(x)]
    (torch.Size([4, 864]), [(4, 96), (4, 768)])
    """

    def __init__(
        self,
        in_channels: int,
        encoders: Sequence[Callable[[int], Encoder]],
        channels: Sequence[Sequence[int]] | None = None,
    ) -> None:
        check_sizes(in_channels=in_channels, encoders=len(encoders))
        groups = [range(in_channels)] * len(encoders) if channels is None else channels
        _check_channels(groups, len(encoders), in_channels)
        # Local at first: the base needs their widths, and modules can be assigned only after it.
        inner = [
            build_encoder(encoder, len(group))
            for encoder, group in zip(encoders, groups, strict=True)
        ]
        if len(set(inner)) < len(inner):
            raise ValueError("encoders holds the same encoder twice: weights are not shared here")
        super().__init__(in_channels, sum(encoder.feature_width for encoder in inner))
        self.channels = channels
        self.encoders = nn.ModuleList(inner)
        self.min_length = max(encoder.min_length for encoder in inner)

    @property
    def part_widths(self) -> tuple[int, ...]:
        """Features of each encoder."""
        return tuple(encoder.num_features for encoder in self._inner())

    def features(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D S"]:
        """Maps of all encoders.

        Raises
        ------
        ValueError
            If they do not agree in the number of steps.
        """
        maps = [encoder.forward_features(channels) for encoder, channels in self._pairs(x)]
        steps = [features.shape[2] for features in maps]
        if len(set(steps)) > 1:
            raise ValueError(
                f"the encoders of this Concat give maps of {', '.join(map(str, steps))} steps for "
                f"{x.shape[2]} samples: choose encoders that give as many, or pooled features only"
            )
        return torch.cat(maps, dim=1)

    def forward_head(self, features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B F"]:
        """Features of all encoders, each with its own pooling."""
        maps = features.split([encoder.feature_width for encoder in self._inner()], dim=1)
        pairs = zip(self._inner(), maps, strict=True)
        return torch.cat(
            [encoder.forward_head(feature_map) for encoder, feature_map in pairs], dim=1
        )

    def pooled(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B F"]:
        """Features of all encoders, whose maps may differ in the number of steps."""
        return torch.cat([encoder(channels) for encoder, channels in self._pairs(x)], dim=1)

    def _inner(self) -> list[Encoder]:
        return list(self.encoders)  # type: ignore[arg-type]

    def _pairs(self, x: torch.Tensor) -> Iterator[tuple[Encoder, torch.Tensor]]:
        """Each encoder, with the channels that it sees."""
        seen = [x] * len(self.encoders)
        if self.channels is not None:
            seen = [torch.stack([x[:, c] for c in group], dim=1) for group in self.channels]
        return zip(self._inner(), seen, strict=True)


class Spectrum(Encoder):
    """An encoder on the amplitude spectrum of each channel instead of the window itself.

    What `amplitudes` gives, T // 2 + 1 bins, takes the place of the samples. The steps of the
    feature map are then in the order of frequency.

    Parameters
    ----------
    in_channels : int
        Channels C of a window.
    encoder : Encoder, or callable
        Sees the spectrum; a callable makes one from its number of channels, as in a config.

    Raises
    ------
    ValueError
        If the encoder takes another number of channels.

    References
    ----------
    The frequency encoder of X. Zhang et al., "Self-supervised contrastive pre-training for time
    series via time-frequency consistency", NeurIPS 2022, section 3. Their code takes the amplitudes
    of all T bins, of which the upper half mirrors the lower.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = Spectrum(6, CNN1d(6))
    >>> encoder.forward_features(torch.randn(4, 6, 128)).shape  # 65 bins, a sixteenth as many steps
    torch.Size([4, 256, 5])
    """

    def __init__(self, in_channels: int, encoder: Callable[[int], Encoder]) -> None:
        inner = build_encoder(encoder, in_channels)
        super().__init__(in_channels, inner.feature_width)
        self.encoder = inner
        # The shortest T whose T // 2 + 1 bins are enough for the encoder.
        self.min_length = max(1, 2 * (inner.min_length - 1))

    @property
    def part_widths(self) -> tuple[int, ...]:
        """Features of the encoder."""
        return self.encoder.part_widths

    def features(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D S"]:
        """Map of the encoder, whose steps are frequencies."""
        return self.encoder.forward_features(amplitudes(x))

    def forward_head(self, features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B F"]:
        """Features of the encoder."""
        return self.encoder.forward_head(features)

    def pooled(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B F"]:
        """Features of the encoder, whether or not it has one map."""
        return self.encoder(amplitudes(x))


def amplitudes(x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B C bins"]:
    """Amplitude spectrum ``|rfft(x)| / T``, in the unit of the channel, of T // 2 + 1 bins.

    Bin 0 is the size of the mean. An oscillation of amplitude a is a / 2 at bin k, its number of
    periods in the window; at T / 2, the last bin of an even T, it is a.

    Examples
    --------
    >>> amplitudes(torch.tensor([[[5.0, 3.0, 1.0, 3.0]]]))  # 3 + 2 cos
    tensor([[[3., 1., 0.]]])
    """
    precise = torch.promote_types(x.dtype, torch.float32)  # half precision has no transform
    return torch.fft.rfft(x.to(precise), norm="forward").abs().to(x.dtype)


def _check_channels(channels: Sequence[Sequence[int]], n_encoders: int, in_channels: int) -> None:
    """Raise unless each encoder has channels that there are."""
    if len(channels) != n_encoders:
        raise ValueError(f"channels has {len(channels)} lists for {n_encoders} encoders")
    for group in channels:
        if not group or len(set(group)) < len(group) or not set(group) <= set(range(in_channels)):
            raise ValueError(
                f"channels has {list(group)}, expected different numbers from 0 to "
                f"{in_channels - 1}"
            )
