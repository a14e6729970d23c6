"""An encoder and a few labelled windows in, a classifier trained end to end or in part out."""

from copy import deepcopy
from functools import partial
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tsclr.encoders import Encoder
from tsclr.evaluate.staged import CHUNK, Average, CountedInWindows, Trainer, warmed_up

LONGEST = 409_600
"""Labelled windows in a whole fine-tuning, in the order of what `ntxent` pretrains on."""


class FineTuned(CountedInWindows):
    """Linear layer on an encoder, both trained on labelled windows by AdamW.

    The rate is constant after a short warm-up, and a moving average of the weights predicts
    (`tsclr.evaluate.staged.Average`). The features are standardised by their mean and spread over
    the labelled windows before training. BatchNorm keeps the statistics of pretraining, since a
    handful of windows is too few for new ones.

    Parameters
    ----------
    encoder : Encoder
        Where training starts; a copy is trained.
    windows : int
        Labelled windows in all steps together, each counted as often as it is seen.
    batch_size : int
        Windows per step, drawn with replacement; never more than are labelled.
    learning_rate : float
        Of the linear layer.
    encoder_rate : float
        Of the encoder.
    seed : int
        Seed of the batches.
    trained : {'all', 'last-block'}
        What of the encoder is trained; the `last_block` is the cheaper.
    linear_steps : int
        The first steps, of the linear layer alone, so that it does not pull the encoder along
        while it is wrong [1]_. They come before those that `windows` counts.

    References
    ----------
    .. [1] Kumar et al., Fine-tuning can distort pretrained features and underperform
       out-of-distribution, ICLR 2022, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from tsclr.encoders import CNN1d
    >>> X = np.random.default_rng(0).normal(size=(8, 6, 64)).astype(np.float32)
    >>> FineTuned(CNN1d(6), windows=128).fit(X, np.arange(8) % 2).predict(X).shape
    (8,)
    """

    def __init__(
        self,
        encoder: Encoder,
        windows: int = LONGEST,
        batch_size: int = 64,
        learning_rate: float = 1e-2,
        encoder_rate: float = 3e-4,
        seed: int = 0,
        trained: Literal["all", "last-block"] = "all",
        linear_steps: int = 0,
    ) -> None:
        self.encoder = encoder
        self.windows = windows
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.encoder_rate = encoder_rate
        self.seed = seed
        self.trained = trained
        self.linear_steps = linear_steps

    def n_steps(self, n_windows: int) -> int:
        """Those of the linear layer alone come on top."""
        return self.linear_steps + super().n_steps(n_windows)

    def begin(self, windows: torch.Tensor, labels: torch.Tensor) -> Trainer:
        """The encoder with a linear layer that starts at zero."""
        encoder = deepcopy(self.encoder).eval().requires_grad_(False)
        head = self._head(encoder, windows, int(labels.max()) + 1)
        trained = last_block(encoder) if self.trained == "last-block" else [*encoder.parameters()]
        groups = [
            {"params": [weight.requires_grad_() for weight in trained], "lr": self.encoder_rate},
            {"params": head.parameters(), "lr": self.learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups)
        rates = [partial(warmed_up, begin=self.linear_steps), warmed_up]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rates)
        # Not in training mode: BatchNorm keeps the moments of pretraining.
        network = nn.Sequential(encoder, head).eval()
        return Trainer(network, optimizer, schedule, cross_entropy, Average(network))

    @staticmethod
    def _head(encoder: Encoder, windows: torch.Tensor, n_classes: int) -> nn.Sequential:
        """Standardisation by the features of `windows`, then a linear layer that starts at zero."""
        device = encoder.input_scale.device
        with torch.inference_mode():
            h = torch.cat([encoder(chunk.to(device)) for chunk in windows.split(CHUNK)])
        standardise = nn.BatchNorm1d(h.shape[1], affine=False)
        standardise.load_state_dict(
            {
                "running_mean": h.mean(0).clone(),
                "running_var": h.var(0, correction=0),
                "num_batches_tracked": torch.tensor(1),
            }
        )
        linear = nn.Linear(h.shape[1], n_classes)
        nn.init.zeros_(linear.weight)
        return nn.Sequential(standardise, linear).to(device).eval()


def last_block(encoder: Encoder) -> list[nn.Parameter]:
    """Parameters of the last block of an encoder and of what follows it, of each encoder inside.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> sum(parameter.numel() for parameter in last_block(CNN1d(6)))
    164352
    """
    encoders = [module for module in encoder.modules() if isinstance(module, Encoder)]
    innermost = [module for module in encoders if _count_encoders(module) == 1]
    return [parameter for module in innermost for parameter in _last_block(module)]


def _count_encoders(encoder: Encoder) -> int:
    return sum(isinstance(module, Encoder) for module in encoder.modules())


def _last_block(encoder: Encoder) -> list[nn.Parameter]:
    """`last_block` of an encoder that holds no other one."""
    learned = [child for child in encoder.children() if any(True for _ in child.parameters())]
    stacks = [
        index
        for index, child in enumerate(learned)
        if isinstance(child, nn.Sequential | nn.ModuleList)
    ]
    if not stacks:
        return list(encoder.parameters())
    stack = learned[stacks[-1]].children()
    blocks = [block for block in stack if any(True for _ in block.parameters())]
    after = learned[stacks[-1] + 1 :]
    return [parameter for module in (blocks[-1], *after) for parameter in module.parameters()]
