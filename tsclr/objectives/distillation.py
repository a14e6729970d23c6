"""Self-distillation: each view predicts a target made of the others, without negatives."""

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_fractions, check_several, check_sizes
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import (
    averaged_copy,
    ema_update,
    embed,
    hidden_layer,
    mean_of_others,
    projector,
)
from tsclr.objectives.infonce import unit

__all__ = ["BYOL", "SimSiam", "byol", "simsiam"]


def byol(
    predictions: Float[torch.Tensor, "V B D"], targets: Float[torch.Tensor, "V B D"]
) -> Float[torch.Tensor, ""]:
    """Squared distance of unit vectors between what a view predicts and the targets of the others.

    Two views v and w lose ``2 - 2 cos(prediction_v, target_w)`` and the same with v and w swapped.
    The sum of both is averaged over the windows and over all pairs of views. With V = 2 this is
    equation 2 of the paper, made symmetric. No gradient passes to the targets.

    Parameters
    ----------
    predictions : (V, B, D) tensor
        Of the trained network; ``predictions[:, b]`` are of the views of window b. They need not
        be normalised.
    targets : (V, B, D) tensor
        Embeddings by the averaged network, likewise.

    Returns
    -------
    scalar tensor
        Between 0 and 8.

    Raises
    ------
    ValueError
        If there are fewer than two views.

    References
    ----------
    J.-B. Grill et al., "Bootstrap your own latent: a new approach to self-supervised learning",
    NeurIPS 2020, equation 2.

    Examples
    --------
    >>> x = torch.tensor([[[2.0, 0.0]], [[0.0, 1.0]]])  # two views of one window, orthogonal
    >>> byol(x, x).item()
    4.0
    """
    return 4 - 4 * _mean_cosine(predictions, targets)


def simsiam(
    predictions: Float[torch.Tensor, "V B D"], z: Float[torch.Tensor, "V B D"]
) -> Float[torch.Tensor, ""]:
    """Negative cosine between what a view predicts and the embeddings of the others, held fixed.

    ``-cos(prediction_v, z_w)`` averaged over the windows and all ordered pairs of views v and w.
    With V = 2 this is equation 4 of the paper. No gradient passes to `z`.

    Parameters
    ----------
    predictions : (V, B, D) tensor
        What the predictor makes of `z`. They need not be normalised.
    z : (V, B, D) tensor
        Embeddings; ``z[:, b]`` are the views of window b. They need not be normalised.

    Returns
    -------
    scalar tensor
        Between -1 and 1.

    Raises
    ------
    ValueError
        If there are fewer than two views.

    References
    ----------
    X. Chen and K. He, "Exploring simple Siamese representation learning", CVPR 2021, equation 4.

    Examples
    --------
    >>> z = torch.tensor([[[2.0, 0.0]], [[3.0, 0.0]]])
    >>> simsiam(z, z).item()
    -1.0
    """
    return -_mean_cosine(predictions, z)


def _mean_cosine(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over windows and ordered pairs of views v ≠ w of cos(prediction_v, target_w)."""
    check_several(views=len(predictions))
    # BYOL's targets have no gradient anyway; without `detach` SimSiam collapses (its section 4.1).
    # Dot products are linear, so the mean target replaces all pairs of views.
    return (unit(predictions) * mean_of_others(unit(targets.detach()))).sum(-1).mean()


class BYOL(Objective):
    """Bootstrap your own latent: predict what a slowly moving average of the network sees.

    ::

        view v ── encoder ── projector ── predictor ──▶ prediction_v ┐
                     ┆ average  ┆ average                            ├─ byol, the one term
        view w ── encoder' ─ projector' ──────────────▶ target_w ────┘  no gradient

    Both heads are a `projector`. The averaged network is in training as the trained one is: its
    BatchNorm takes the moments of the batch, as in the code published with the paper, and keeps
    running moments of its own for evaluation.

    Parameters
    ----------
    momentum : float
        Of the averaged network, from 0 to 1.
    hidden : int
        Hidden units of the projector and of the predictor.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `momentum` is outside 0 to 1 or a size is below 1.

    References
    ----------
    J.-B. Grill et al., "Bootstrap your own latent: a new approach to self-supervised learning",
    NeurIPS 2020, section 3. Departures: the momentum is constant and fits some thousand steps (the
    paper raises it from 0.996 to 1 over a million); heads are smaller; any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = BYOL().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['byol']
    >>> sum(terms.values()).backward()  # then a step of the optimiser, and
    >>> objective.after_step(encoder)
    """

    def __init__(self, momentum: float = 0.99, hidden: int = 256, width: int = 128) -> None:
        super().__init__()
        check_fractions(momentum=momentum)
        check_sizes(hidden=hidden, width=width)
        self.momentum = momentum
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the heads and the averaged network, at first equal to the trained one."""
        self.projector = projector(encoder.num_features, self.hidden, self.width)
        self.predictor = projector(self.width, self.hidden, self.width)
        self.averaged_encoder = averaged_copy(encoder)
        self.averaged_projector = averaged_copy(self.projector)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``byol``."""
        z = embed(self.projector, represent(encoder, batch.views))
        with torch.no_grad():
            h = represent(self.averaged_encoder, batch.views)
            targets = embed(self.averaged_projector, h)
        return {"byol": byol(embed(self.predictor, z), targets)}

    def after_step(self, encoder: Encoder) -> None:
        """Move the averaged network."""
        ema_update(self.averaged_encoder, encoder, self.momentum)
        ema_update(self.averaged_projector, self.projector, self.momentum)


class SimSiam(Objective):
    """Simple Siamese network: predict the embedding of the other view, which is held fixed.

    ::

        view v ── encoder ── projector ── z_v ── predictor ──▶ prediction_v ┐
                     ║          ║                                           ├─ simsiam, the one term
        view w ── encoder ── projector ── z_w, held fixed ──────────────────┘

    The projector has three layers, each with BatchNorm, that of the embeddings without scale and
    shift. The predictor is a `projector` with a narrow hidden layer.

    Parameters
    ----------
    hidden : int
        Units of both hidden layers of the projector.
    width : int
        Features of an embedding.
    bottleneck : int
        Hidden units of the predictor; a quarter of `width` in the paper.

    Raises
    ------
    ValueError
        If a size is below 1.

    References
    ----------
    X. Chen and K. He, "Exploring simple Siamese representation learning", CVPR 2021, equation 4
    and algorithm 1. Departures: heads are smaller (2048 and 512 units in the paper); any number of
    views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = SimSiam().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['simsiam']
    >>> sum(terms.values()).backward()
    """

    def __init__(self, hidden: int = 256, width: int = 256, bottleneck: int = 64) -> None:
        super().__init__()
        check_sizes(hidden=hidden, width=width, bottleneck=bottleneck)
        self.hidden = hidden
        self.width = width
        self.bottleneck = bottleneck

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the projector and the predictor."""
        self.projector = nn.Sequential(
            *hidden_layer(encoder.num_features, self.hidden),
            *hidden_layer(self.hidden, self.hidden),
            nn.Linear(self.hidden, self.width, bias=False),
            nn.BatchNorm1d(self.width, affine=False),
        )
        self.predictor = projector(self.width, self.bottleneck, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``simsiam``."""
        z = embed(self.projector, represent(encoder, batch.views))
        return {"simsiam": simsiam(embed(self.predictor, z), z)}
