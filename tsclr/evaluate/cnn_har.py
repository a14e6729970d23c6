"""Labelled windows in, the network CNN-HAR trained by the recipe of WHAR Arena out."""

import math
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn
from torch.nn.functional import cross_entropy, max_pool1d

from tsclr.evaluate.staged import Staged, Training

LEAST_STEPS = 10
"""Steps of an epoch, at least: on a few labels a hundred epochs would be next to nothing."""
LEAST_LENGTH = 28
"""Samples of a window, below which nothing is left after two poolings."""


class CNNHAR(nn.Module):
    """Convolutions of each channel by itself, then of all channels together [1]_.

    ``50 × 5, pool, 40 × 5, pool, 20 × 3`` filters are shared by the channels; 400 filters join
    these, and their maxima over time are classified. Departures, as in [2]_: the maximum is of
    all steps, so that any length is possible. And unlike both: no local response normalisation,
    which with its published settings divides by 1 to three digits.

    Parameters
    ----------
    mean, spread : (C,) array
        Every channel is standardised by these.
    n_classes : int
        Classes K.

    References
    ----------
    .. [1] Yang et al., Deep convolutional neural networks on multichannel time series for human
       activity recognition, IJCAI 2015, section 3.
    .. [2] Burzer et al., WHAR Arena: benchmarking the state of the art in efficient wearable human
       activity recognition, arXiv:2606.13194, 2026.

    Examples
    --------
    >>> CNNHAR(np.zeros(6, np.float32), np.ones(6, np.float32), 4)(torch.randn(2, 6, 128)).shape
    torch.Size([2, 4])
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self, mean: Float32[np.ndarray, " C"], spread: Float32[np.ndarray, " C"], n_classes: int
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean)[:, None])
        self.register_buffer("spread", torch.from_numpy(spread)[:, None])
        widths = zip((1, 50, 40), (50, 40, 20), (5, 5, 3), strict=True)
        self.convolutions = nn.ModuleList(nn.Conv1d(*width) for width in widths)
        self.join = nn.Conv1d(20 * len(mean), 400, 1)
        self.classify = nn.Linear(400, n_classes)

    def forward(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B K"]:
        """Scores of each class."""
        h = ((x - self.mean) / self.spread).flatten(0, 1)[:, None]
        for number, convolution in enumerate(self.convolutions):
            h = max_pool1d(h, 4, 2) if number else h
            h = torch.relu(convolution(h))
        joined = torch.relu(self.join(h.unflatten(0, x.shape[:2]).flatten(1, 2)))
        return self.classify(joined.amax(2))


class ArenaCNN(Staged):
    """`CNNHAR`, trained as in WHAR Arena [1]_.

    AdamW on a cross-entropy that is weighted by the frequency of the classes; the rate falls along
    half a cosine over `HORIZON` epochs, and training ends when ten epochs have not improved macro
    F1 on validation subjects. The number of epochs is chosen so, and then all training subjects are
    trained on for as many. Departures: windows are drawn with replacement, and an epoch has at
    least `LEAST_STEPS` steps.

    Parameters
    ----------
    mean, spread : (C,) array
        Of each channel over the training windows.
    epochs : int
        Passes over the labelled windows, at most `HORIZON`.
    batch_size : int
        Windows per step.
    learning_rate : float
        In the first step.
    weight_decay : float
        Of all weights.
    seed : int
        Seed of weights and batches.

    References
    ----------
    .. [1] Burzer et al., WHAR Arena: benchmarking the state of the art in efficient wearable human
       activity recognition, arXiv:2606.13194, 2026.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(8, 6, 64)).astype(np.float32)
    >>> moments = X.mean((0, 2)), X.std((0, 2))
    >>> ArenaCNN(*moments, epochs=2).fit(X, np.arange(8) % 2).predict(X).shape
    (8,)
    """

    HORIZON = 100
    patience = 10

    def __init__(
        self,
        mean: Float32[np.ndarray, " C"],
        spread: Float32[np.ndarray, " C"],
        epochs: int = HORIZON,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        seed: int = 0,
    ) -> None:
        self.mean = mean
        self.spread = spread
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed

    def stages(self) -> list["ArenaCNN"]:
        """Ended after each epoch."""
        settings = self.get_params(deep=False)
        return [ArenaCNN(**settings | {"epochs": n + 1}) for n in range(self.epochs)]

    def n_steps(self, n_windows: int) -> int:
        """Steps of all epochs on so many labelled windows."""
        return self.epochs * self._steps_of_epoch(n_windows)

    def _steps_of_epoch(self, n_windows: int) -> int:
        return max(LEAST_STEPS, math.ceil(n_windows / self.batch_size))

    def begin(self, windows: torch.Tensor, labels: torch.Tensor) -> Training:
        """A new network, and the weights of the classes."""
        counts = labels.bincount()
        network = CNNHAR(self.mean, self.spread, len(counts))
        rate, decay = self.learning_rate, self.weight_decay
        optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
        n_steps = self.HORIZON * self._steps_of_epoch(len(windows))
        falling = partial(half_cosine, n_steps=n_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falling)
        loss = partial(cross_entropy, weight=len(labels) / (len(counts) * counts))
        return Training(network, optimizer, schedule, loss)


def half_cosine(step: int, n_steps: int) -> float:
    """Factor of a rate that falls from 1 to 0.

    Examples
    --------
    >>> [round(half_cosine(step, 100), 3) for step in (0, 50, 100)]
    [1.0, 0.5, 0.0]
    """
    return (1 + math.cos(math.pi * min(step / n_steps, 1.0))) / 2
