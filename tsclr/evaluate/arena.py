"""Labelled windows in, a small network trained by the recipe of WHAR Arena out."""

import math
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn
from torch.nn.functional import cross_entropy

from tsclr.encoders import CNN1d
from tsclr.evaluate.staged import Staged, Trainer
from tsclr.train.optimisers import learning_rate as rate_at
from tsclr.train.settings import Training

HORIZON = 100
"""Epochs over which the rate falls."""
FALLING = Training(learning_rate=1.0, warmup=0.0)
"""Half a cosine from 1 to 0, as a factor of the rate."""
LEAST_STEPS = 10
"""Steps of an epoch, at least: on a few labels a hundred epochs would be next to nothing."""


class Standardise(nn.Module):
    """Each channel less its mean, divided by its spread.

    Parameters
    ----------
    mean, spread : (C,) array
        Of each channel.

    Examples
    --------
    >>> standardise = Standardise(np.array([5], np.float32), np.array([2], np.float32))
    >>> standardise(torch.tensor([[[5.0, 9.0]]]))
    tensor([[[0., 2.]]])
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, mean: Float32[np.ndarray, " C"], spread: Float32[np.ndarray, " C"]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean)[:, None])
        self.register_buffer("spread", torch.from_numpy(spread)[:, None])

    def forward(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B C T"]:
        """Standardise windows."""
        return (x - self.mean) / self.spread


class ArenaCNN(Staged):
    """A `CNN1d` on standardised channels, trained as the networks of WHAR Arena [1]_.

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
       activity recognition, arXiv:2606.13194, 2026; protocol ``whar_arena_v1``.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(8, 6, 64)).astype(np.float32)
    >>> moments = X.mean((0, 2)), X.std((0, 2))
    >>> ArenaCNN(*moments, epochs=2).fit(X, np.arange(8) % 2).predict(X).shape
    (8,)
    """

    patience = 10
    length = "epochs"

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

    def lengths(self) -> list[int]:
        """Every number of epochs."""
        return list(range(1, self.epochs + 1))

    def n_steps(self, n_windows: int) -> int:
        """Steps of all epochs on so many labelled windows."""
        return self.epochs * self._steps_of_epoch(n_windows)

    def _steps_of_epoch(self, n_windows: int) -> int:
        return max(LEAST_STEPS, math.ceil(n_windows / self.batch_size))

    def begin(self, windows: torch.Tensor, labels: torch.Tensor) -> Trainer:
        """A new network, and the weights of the classes."""
        counts = labels.bincount()
        encoder = CNN1d(windows.shape[1])
        classify = nn.Linear(encoder.num_features, len(counts))
        network = nn.Sequential(Standardise(self.mean, self.spread), encoder, classify)
        rate, decay = self.learning_rate, self.weight_decay
        optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
        n_steps = HORIZON * self._steps_of_epoch(len(windows))
        falling = partial(rate_at, n_steps=n_steps, training=FALLING)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falling)
        loss = partial(cross_entropy, weight=len(labels) / (len(counts) * counts))
        return Trainer(network, optimizer, schedule, loss)
