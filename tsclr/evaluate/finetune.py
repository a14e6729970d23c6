"""An encoder and a few labelled windows in, a classifier trained end to end or in part out."""

from collections.abc import Callable
from copy import deepcopy
from typing import Literal

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
    training. BatchNorm keeps the statistics of pretraining, since a handful of windows is too few
    for new ones, unless training begins from scratch.

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
    trained : {'all', 'last-block'}
        What of the encoder is trained; the `last_block` is the cheaper.
    linear_steps : int
        The first steps, of the linear layer alone, so that it does not pull the encoder along
        while it is wrong [1]_.
    from_scratch : bool
        The encoder is untrained: BatchNorm and the standardisation follow the batches.
    view : callable, optional
        Makes views (B, C, T) of windows (B, C, T), new ones at each step.

    References
    ----------
    .. [1] Kumar et al., Fine-tuning can distort pretrained features and underperform
       out-of-distribution, ICLR 2022, section 4.

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
        trained: Literal["all", "last-block"] = "all",
        linear_steps: int = 0,
        from_scratch: bool = False,
        view: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        self.encoder = encoder
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.encoder_rate = encoder_rate
        self.seed = seed
        self.trained = trained
        self.linear_steps = linear_steps
        self.from_scratch = from_scratch
        self.view = view

    def __sklearn_clone__(self) -> "FineTuned":
        """The same settings over the same encoder, which `fit` never changes."""
        return type(self)(**self.get_params(deep=False))

    def fit(self, X: Float[np.ndarray, "N C T"], y: Int[np.ndarray, " N"]) -> "FineTuned":
        """Train on labelled windows."""
        self.classes_, targets = np.unique(y, return_inverse=True)
        device = self.encoder.input_scale.device
        windows, labels = torch.from_numpy(X).to(device), torch.from_numpy(targets).to(device)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.encoder_ = deepcopy(self.encoder).eval()
            self.head_ = self._head(windows, len(self.classes_))
            trained = self._trained()
            groups = [
                {"params": trained, "lr": self.encoder_rate},
                {"params": self.head_.parameters(), "lr": self.learning_rate},
            ]
            optimizer = torch.optim.AdamW(groups)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
            # BatchNorm keeps the moments of pretraining: few labelled windows give poor ones.
            model = nn.Sequential(self.encoder_, self.head_).train(self.from_scratch)
            self.encoder_.requires_grad_(False)
            for step in range(self.steps):
                # Until then they have no gradient, and AdamW leaves such parameters alone.
                if step == self.linear_steps:
                    for parameter in trained:
                        parameter.requires_grad_()
                drawn = torch.randint(len(windows), (min(self.batch_size, len(windows)),))
                x = windows[drawn] if self.view is None else self.view(windows[drawn])
                loss = cross_entropy(model(x), labels[drawn])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            model.eval()
        return self

    def predict(self, X: Float[np.ndarray, "N C T"]) -> Int[np.ndarray, " N"]:
        """Class of each window."""
        check_is_fitted(self)
        device = self.encoder.input_scale.device
        with torch.inference_mode():
            scores = [
                self.head_(self.encoder_(x.to(device))) for x in torch.from_numpy(X).split(512)
            ]
        return self.classes_[torch.cat(scores).argmax(1).cpu().numpy()]

    def _trained(self) -> list[nn.Parameter]:
        """The parameters of the encoder that are trained."""
        if self.trained == "last-block":
            return last_block(self.encoder_)
        return list(self.encoder_.parameters())

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
