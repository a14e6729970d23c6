"""Masked reconstruction: the encoder fills in the samples that are hidden from it."""

import torch
from jaxtyping import Bool, Float
from torch import nn
from torch.nn.functional import interpolate

from tsclr.checks import check_sizes
from tsclr.distributed import masked_mean, own_rows, world_size
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective
from tsclr.objectives.batch import Batch

__all__ = ["MaskedReconstruction", "hide", "reconstruction_error", "span_mask"]


def span_mask(
    n_windows: int,
    length: int,
    ratio: float = 0.15,
    span: int = 10,
    generator: torch.Generator | None = None,
) -> Bool[torch.Tensor, "N T"]:
    """Draw which samples of each window are hidden: spans of one length that do not overlap.

    ``round(ratio · T / span)`` spans, at least one, are shuffled among the samples that stay
    visible, so that every placement is equally likely and every window hides as many samples. Spans
    may touch::

        T = 12, span = 3, 2 spans     ..###...###.     ###......###     .######.....

    Parameters
    ----------
    n_windows : int
        Windows N.
    length : int
        Samples T of a window.
    ratio : float
        Part of the window to hide, between 0 and 1.
    span : int
        Samples of a span, fewer than T.
    generator : torch.Generator, optional
        On the CPU; ``None`` is the global one.

    Returns
    -------
    (N, T) bool tensor
        On the CPU; set where a sample is hidden. One sample or more is not.

    Raises
    ------
    ValueError
        If `ratio` lies outside 0 to 1, or no span fits.

    Examples
    --------
    >>> span_mask(3, 12, ratio=0.5, span=3).sum(1)
    tensor([6, 6, 6])
    """
    _check_mask(ratio, span)
    if span >= length:
        raise ValueError(
            f"span is {span} and windows have {length} samples: choose a shorter span, so that "
            "something stays visible"
        )
    # One sample at least stays visible: `hide` needs its value.
    n_spans = min(max(1, round(ratio * length / span)), (length - 1) // span)
    n_places = length - n_spans * (span - 1)  # a span counts as one, as a visible sample does
    drawn = torch.rand(n_windows, n_places, generator=generator).argsort(1)[:, :n_spans]
    # Each span before it takes span - 1 samples more than the one it was counted as.
    first = drawn.sort(1).values + (span - 1) * torch.arange(n_spans)
    hidden = first[:, :, None] + torch.arange(span)
    return torch.zeros(n_windows, length, dtype=torch.bool).scatter(1, hidden.flatten(1), True)


def hide(
    x: Float[torch.Tensor, "N C T"], mask: Bool[torch.Tensor, "N T"]
) -> Float[torch.Tensor, "N C T"]:
    """Replace hidden samples by the mean of the visible ones, in each channel of each window.

    Parameters
    ----------
    x : (N, C, T) tensor
        Windows.
    mask : (N, T) bool tensor
        What is hidden, in all channels; a sample or more of each window is not.

    Examples
    --------
    >>> hide(torch.tensor([[[1.0, 9.0, 3.0]]]), torch.tensor([[False, True, False]]))
    tensor([[[1., 2., 3.]]])
    """
    visible = ~mask[:, None]
    mean = x.where(visible, 0).sum(2, keepdim=True) / visible.sum(2, keepdim=True)
    return x.where(visible, mean)


def reconstruction_error(
    predicted: Float[torch.Tensor, "N C T"],
    x: Float[torch.Tensor, "N C T"],
    mask: Bool[torch.Tensor, "N T"],
) -> Float[torch.Tensor, ""]:
    """Mean squared error of the hidden samples alone.

    ``mean over channels c and hidden (n, t) of (predicted_nct - x_nct)²``; under several processes
    the mean of the results is that over all windows.

    Parameters
    ----------
    predicted, x : (N, C, T) tensors
        What the hidden samples are taken to be, and what they are.
    mask : (N, T) bool tensor
        What is hidden, in all channels.

    References
    ----------
    H. Xu et al., "LIMU-BERT: unleashing the potential of unlabeled data for IMU sensing
    applications", SenSys 2021.

    Examples
    --------
    >>> mask = torch.tensor([[False, True, True]])
    >>> reconstruction_error(torch.zeros(1, 1, 3), torch.tensor([[[5.0, 1.0, 3.0]]]), mask)
    tensor(5.)
    """
    return masked_mean((predicted - x).square().mean(1).flatten(), mask.flatten())


class MaskedReconstruction(Objective):
    """Masked modelling: hide spans of samples, in all channels, and reconstruct them.

    The encoder sees every view with `hide` applied to a `span_mask`. Its feature map is read
    linearly between its steps at the middle of every `patch` samples, and a layer of ReLU units and
    a linear one make the samples of the patch from each vector, so that any encoder and any number
    of samples will do. `reconstruction_error` is the one term. It is taken in units of the
    encoder's `input_scale`: a sensor with large numbers does not count for more.

    Each view is reconstructed on its own, so one would do.

    Parameters
    ----------
    ratio : float
        Part of a window that is hidden, between 0 and 1.
    span : int
        Samples that are hidden in a row; 10 are 0.2 s at 50 Hz.
    patch : int
        Samples that the decoder makes from one vector; as many as the encoder has for a step leave
        nothing to interpolate (16 for `CNN1d`).
    hidden : int
        Hidden units of the decoder.

    Raises
    ------
    ValueError
        If `ratio` lies outside 0 to 1 or a size is below 1; on use, if windows are not longer than
        a span.

    References
    ----------
    H. Xu et al., "LIMU-BERT: unleashing the potential of unlabeled data for IMU sensing
    applications", SenSys 2021: 15 % of the samples, in spans, at the longest 10 samples.
    The mask shared by all channels and an error of the hidden samples alone are its.
    K. He et al., "Masked autoencoders are scalable vision learners", CVPR 2022: patches and a
    decoder that is thrown away.
    Departures: spans have one length instead of a random one. Hidden samples become the mean of
    the visible ones instead of zeros, which would be a jump of 1 g; all of them, not four in five.
    They are not left out before the encoder, as masked autoencoders do, since a convolution could
    not skip them.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = MaskedReconstruction().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['reconstruction']
    >>> sum(terms.values()).backward()
    """

    n_views = 1

    def __init__(
        self, ratio: float = 0.15, span: int = 10, patch: int = 16, hidden: int = 256
    ) -> None:
        super().__init__()
        _check_mask(ratio, span)
        check_sizes(patch=patch, hidden=hidden)
        self.ratio = ratio
        self.span = span
        self.patch = patch
        self.hidden = hidden

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the decoder."""
        self.decoder = nn.Sequential(
            nn.Conv1d(encoder.feature_width, self.hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv1d(self.hidden, encoder.in_channels * self.patch, 1),
        )

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``reconstruction``."""
        x = torch.cat(tuple(batch.views))
        mask = self._draw(batch).to(x.device)
        features = encoder.forward_features(hide(x, mask))
        predicted = self._decode(features, *x.shape[1:])
        # The network sees scaled windows, so that is what it can predict.
        scaled = x / encoder.input_scale[:, None]
        return {"reconstruction": reconstruction_error(predicted, scaled, mask)}

    def _draw(self, batch: Batch) -> Bool[torch.Tensor, "N T"]:
        """What is hidden of each view."""
        n_windows, length = world_size() * len(batch), batch.views[0].shape[2]
        masks = [
            span_mask(n_windows, length, self.ratio, self.span, batch.generator)
            for _ in batch.views
        ]
        return torch.cat([own_rows(mask) for mask in masks])

    def _decode(
        self, features: Float[torch.Tensor, "N D S"], n_channels: int, length: int
    ) -> Float[torch.Tensor, "N C T"]:
        """Samples from the feature map: the vectors of all patches, each patch, side by side."""
        vectors = interpolate(features, size=-(-length // self.patch), mode="linear")
        patches = self.decoder(vectors).unflatten(1, (n_channels, self.patch))
        return patches.transpose(2, 3).flatten(2)[..., :length]


def _check_mask(ratio: float, span: int) -> None:
    if not 0 < ratio < 1:
        raise ValueError(f"ratio is {ratio}, it must lie between 0 and 1")
    check_sizes(span=span)
