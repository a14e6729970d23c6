"""Labelled windows and a recipe in, an encoder trained from scratch with a classifier out."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tsclr.encoders import Encoder
from tsclr.evaluate.staged import Average, CountedInWindows, Trainer, View, warmed_up


class FromScratch(CountedInWindows):
    """A new encoder and a linear layer, trained on labelled windows by AdamW.

    The rate is constant after a short warm-up, and a moving average of the weights predicts
    (`tsclr.evaluate.staged.Average`). Weights differ from seed to seed, and so from label draw to
    label draw.

    Parameters
    ----------
    build : callable
        Makes an untrained encoder, its weights from the global generator of torch.
    windows : int
        Labelled windows in all steps together, each counted as often as it is seen.
    batch_size : int
        Windows per step, drawn with replacement.
    learning_rate : float
        Of all weights.
    weight_decay : float
        Of all weights.
    view : callable, optional
        Makes views (B, C, T) of windows (B, C, T), new ones at each step.
    seed : int
        Seed of weights, batches and views.

    Examples
    --------
    >>> import numpy as np
    >>> from tsclr.encoders import CNN1d
    >>> X = np.random.default_rng(0).normal(size=(8, 6, 64)).astype(np.float32)
    >>> FromScratch(lambda: CNN1d(6), windows=128).fit(X, np.arange(8) % 2).predict(X).shape
    (8,)
    """

    def __init__(
        self,
        build: Callable[[], Encoder],
        windows: int,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        view: View | None = None,
        seed: int = 0,
    ) -> None:
        self.build = build
        self.windows = windows
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.view = view
        self.seed = seed

    def begin(self, windows: torch.Tensor, labels: torch.Tensor) -> Trainer:
        """A new encoder, its features standardised in each batch, and a linear layer."""
        encoder = self.build()
        linear = nn.Linear(encoder.num_features, int(labels.max()) + 1)
        nn.init.zeros_(linear.weight)
        standardise = nn.BatchNorm1d(encoder.num_features, affine=False)
        network = nn.Sequential(encoder, standardise, linear).train()
        rate, decay = self.learning_rate, self.weight_decay
        optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmed_up)
        return Trainer(network, optimizer, schedule, cross_entropy, Average(network))
