"""Predictive coding: the later steps of a view are predicted from its earlier ones.

The context of a step sums up all steps so far, and K linear maps foretell the next K::

    z_1 ──▶ z_2 ──▶ z_3    z_4    z_5    z_6     steps of the encoder
     │       │       │      ▲      ▲      ▲
    c_1 ──▶ c_2 ──▶ c_3 ────┴ W_1 ─┴ W_2 ─┴ W_3  context, here of step 3, and K = 3 predictions
"""

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_sizes
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent_steps
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import check_horizon
from tsclr.objectives.infonce import step_nce

__all__ = ["CPC", "predictive_coding"]


def predictive_coding(
    z: Float[torch.Tensor, "V B S D"], predicted: Float[torch.Tensor, "V B S K D"]
) -> Float[torch.Tensor, ""]:
    r"""InfoNCE of the next K steps, foretold from every step.

    For each view, step t and distance k with t + k < S the loss of window b is
    ``-log(exp(p_btk·z_b(t+k)) / sum over windows m of exp(p_btk·z_m(t+k)))``, averaged over all of
    them. The negatives are the same step of the same view of the other windows, of all processes.

    Parameters
    ----------
    z : (V, B, S, D) tensor
        Steps of the views.
    predicted : (V, B, S, K, D) tensor
        ``predicted[..., t, k - 1, :]`` is W_k c_t, what is expected at step t + k.

    Returns
    -------
    scalar tensor
        Mean over the predictions that have a step.

    Raises
    ------
    ValueError
        If there are no more than K steps: not every W_k would have a step to foretell.

    References
    ----------
    A. van den Oord, Y. Li and O. Vinyals, "Representation learning with contrastive predictive
    coding", arXiv:1807.03748, 2018, equations 3 and 4.

    Examples
    --------
    Two windows that stay 1 at a feature of their own; the next step is expected to be as this one.

    >>> z = torch.eye(2).view(1, 2, 1, 2).expand(1, 2, 5, 2)
    >>> predictive_coding(z, z[..., None, :]).item()  # log(1 + exp(-1))
    0.313...
    """
    n_steps, horizon = predicted.shape[2:4]
    check_horizon(n_steps, horizon)
    distances = range(1, horizon + 1)
    # The last k steps foretell what lies beyond the window.
    foretold = torch.cat([predicted[:, :, :-k, k - 1] for k in distances], 2)
    came = torch.cat([z[:, :, k:] for k in distances], 2)
    return step_nce(foretold.transpose(0, 1).flatten(1, 2), came.transpose(0, 1).flatten(1, 2))


class CPC(Objective):
    """Contrastive predictive coding: earlier steps of a view foretell which later ones are its own.

    A GRU over the steps of the feature map is the context; `predictive_coding` is the one term.
    Every view is used on its own, so one would do.

    Parameters
    ----------
    horizon : int
        Steps ahead that are foretold (K); the feature map needs more steps than that.
    context_width : int
        Features of the context.

    Raises
    ------
    ValueError
        If a size is below 1; on use, if the feature map has too few steps.

    References
    ----------
    A. van den Oord, Y. Li and O. Vinyals, "Representation learning with contrastive predictive
    coding", arXiv:1807.03748, 2018, section 2. Departures: 4 steps ahead instead of 12, since a
    window of 128 samples has 8 in `tsclr.encoders.CNN1d`; negatives are the other windows at the
    same step alone, the paper also tries other steps; what is used later is the pooled map, not
    the context. As in the paper, steps may overlap in what they see of the window, so that the
    nearest are partly known. An encoder in which every step sees the whole window, such as
    `tsclr.encoders.Transformer`, leaves nothing to foretell.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = CPC(horizon=3).build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 128)]))
    >>> list(terms)
    ['predictive_coding']
    >>> sum(terms.values()).backward()
    """

    n_views = 1

    def __init__(self, horizon: int = 4, context_width: int = 256) -> None:
        super().__init__()
        check_sizes(horizon=horizon, context_width=context_width)
        self.horizon = horizon
        self.context_width = context_width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the context and the K maps W_k, side by side."""
        D = encoder.feature_width
        self.context = nn.GRU(D, self.context_width, batch_first=True)
        self.predictions = nn.Linear(self.context_width, self.horizon * D, bias=False)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``predictive_coding``."""
        z = represent_steps(encoder, batch.views).transpose(2, 3)
        context = self.context(z.flatten(0, 1))[0].unflatten(0, z.shape[:2])
        predicted = self.predictions(context).unflatten(3, (self.horizon, -1))
        return {"predictive_coding": predictive_coding(z, predicted)}
