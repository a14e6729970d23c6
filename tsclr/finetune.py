"""A pretrained encoder and a few labelled windows in, a classifier trained end to end out."""

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn.functional import cross_entropy

from tsclr.encoders import Encoder


class FineTuned(ClassifierMixin, BaseEstimator):
    """Linear layer on an encoder, both trained on labelled windows.

    The features are standardised by their mean and spread over the labelled windows before
    training. BatchNorm keeps the statistics of pretraining: a handful of windows is too few for
    new ones.

    Parameters
    ----------
    encoder : Encoder
        Where training starts; a copy is trained.
    steps : int
        Steps of AdamW with a rate that falls to zero along a half cosine.
    batch_size : int
        Windows per step, drawn with replacement.
    learning_rate : float
        Of the linear layer.
    encoder_rate : float
        Of the encoder.
    seed : int
        Seed of the batches.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> X = np.random.default_rng(0).normal(size=(8, 6, 64)).astype(np.float32)
    >>> FineTuned(CNN1d(6), steps=2).fit(X, np.arange(8) % 2).predict(X).shape
    (8,)
    """

    def __init__(
        self,
        encoder: Encoder,
        steps: int = 100,
        batch_size: int = 64,
        learning_rate: float = 1e-2,
        encoder_rate: float = 3e-4,
        seed: int = 0,
    ) -> None:
        self.encoder = encoder
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.encoder_rate = encoder_rate
        self.seed = seed

    def __sklearn_clone__(self) -> "FineTuned":
        """The same settings over the same encoder, which `fit` never changes."""
        return type(self)(**self.get_params(deep=False))

    def fit(self, X: Float[np.ndarray, "N C T"], y: Int[np.ndarray, " N"]) -> "FineTuned":
        """Train on labelled windows.

        Parameters
        ----------
        X : (N, C, T) float32
            Windows.
        y : (N,) int
            Classes.
        """
        self.classes_, targets = np.unique(y, return_inverse=True)
        device = self.encoder.input_scale.device
        windows, labels = torch.from_numpy(X).to(device), torch.from_numpy(targets).to(device)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.encoder_ = deepcopy(self.encoder).eval()
            self.head_ = self._head(windows, len(self.classes_))
            optimizer = torch.optim.AdamW(
                [
                    {"params": self.encoder_.parameters(), "lr": self.encoder_rate},
                    {"params": self.head_.parameters(), "lr": self.learning_rate},
                ]
            )
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
            for _ in range(self.steps):
                drawn = torch.randint(len(windows), (min(self.batch_size, len(windows)),))
                loss = cross_entropy(self.head_(self.encoder_(windows[drawn])), labels[drawn])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        return self

    def predict(self, X: Float[np.ndarray, "N C T"]) -> Int[np.ndarray, " N"]:
        """Class of each window.

        Parameters
        ----------
        X : (N, C, T) float32
            Windows.
        """
        check_is_fitted(self)
        device = self.encoder.input_scale.device
        with torch.inference_mode():
            scores = [
                self.head_(self.encoder_(x.to(device))) for x in torch.from_numpy(X).split(512)
            ]
        return self.classes_[torch.cat(scores).argmax(1).cpu().numpy()]

    def _head(self, windows: torch.Tensor, n_classes: int) -> nn.Sequential:
        """Standardisation by the features of `windows`, then a linear layer that starts at zero."""
        with torch.inference_mode():
            h = torch.cat([self.encoder_(x) for x in windows.split(512)])
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
        return nn.Sequential(standardise, linear).to(windows.device).eval()
