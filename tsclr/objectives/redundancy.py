"""Redundancy reduction: views agree, and no feature of the embedding repeats another."""

from itertools import combinations

import torch
from jaxtyping import Float
from torch import nn
from torch.nn.functional import mse_loss, relu

from tsclr.checks import check_not_negative, check_several, check_sizes
from tsclr.distributed import gather
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import at_least_float32, embed, hidden_layer, projector

__all__ = ["BarlowTwins", "VICReg", "barlow_twins", "vicreg"]


def barlow_twins(
    z: Float[torch.Tensor, "V B D"], redundancy_weight: float = 5e-3
) -> dict[str, Float[torch.Tensor, ""]]:
    """Bring the cross-correlation of the features of two views near to the identity.

    With the correlation C_ij of feature i of one view and feature j of the other, over the windows
    of all processes, the terms are ``invariance = sum over i of (1 - C_ii)²`` and
    ``redundancy = redundancy_weight · sum over i ≠ j of C_ij²``, averaged over all pairs of views.
    With V = 2 this is equation 1 of the paper. As in the code published with it, 1e-5 is added to
    each variance: a feature that does not vary correlates with nothing.

    Parameters
    ----------
    z : (V, B, D) tensor
        Embeddings; ``z[:, b]`` are the views of window b.
    redundancy_weight : float
        λ of the paper, at least 0.

    Returns
    -------
    dict of scalar tensors
        ``invariance`` and ``redundancy``, weighted.

    Raises
    ------
    ValueError
        If there are fewer than two views or windows, or the weight is negative or infinite.

    References
    ----------
    J. Zbontar, L. Jing, I. Misra, Y. LeCun and S. Deny, "Barlow Twins: self-supervised learning
    via redundancy reduction", ICML 2021, equations 1 and 2.

    Examples
    --------
    Two features that are one: the views agree, and the two entries off the diagonal are 1.

    >>> z = torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]]).expand(2, 2, 2)
    >>> [round(term.item(), 3) for term in barlow_twins(z, redundancy_weight=0.5).values()]
    [0.0, 1.0]
    """
    check_not_negative(redundancy_weight=redundancy_weight)
    with torch.autocast(z.device.type, enabled=False):
        z = _whole(z)
        z = z - z.mean(1, keepdim=True)
        z = z / (z.square().mean(1, keepdim=True) + 1e-5).sqrt()
        correlations = torch.stack([a.T @ b for a, b in combinations(z, 2)]) / z.shape[1]
        diagonal = correlations.diagonal(dim1=1, dim2=2)
        return {
            "invariance": (1 - diagonal).square().sum(1).mean(),
            "redundancy": redundancy_weight * _off_diagonal(correlations).mean(),
        }


def vicreg(
    z: Float[torch.Tensor, "V B D"],
    variance_weight: float = 25.0,
    invariance_weight: float = 25.0,
    covariance_weight: float = 1.0,
) -> dict[str, Float[torch.Tensor, ""]]:
    """Keep each feature varying, views equal, and features uncorrelated.

    For two views the terms are, before their weights,

    * ``variance``: mean over features of ``max(0, 1 - sqrt(var + 1e-4))``, of both views;
    * ``invariance``: mean squared difference of the views, over windows and features;
    * ``covariance``: sum over features i ≠ j of ``cov_ij² / D``, of both views.

    Both views are summed, and all pairs of views averaged. With V = 2 this is algorithm 1 of the
    paper; its equation 5 has the invariance D times as large, and the code published with it halves
    the variance. Variances and covariances (over N - 1) are those of the windows of all processes.

    Parameters
    ----------
    z : (V, B, D) tensor
        Embeddings; ``z[:, b]`` are the views of window b.
    variance_weight, invariance_weight, covariance_weight : float
        μ, λ and ν of the paper, at least 0.

    Returns
    -------
    dict of scalar tensors
        ``variance``, ``invariance`` and ``covariance``, weighted.

    Raises
    ------
    ValueError
        If there are fewer than two views or windows, or a weight is negative or infinite.

    References
    ----------
    A. Bardes, J. Ponce and Y. LeCun, "VICReg: variance-invariance-covariance regularization for
    self-supervised learning", ICLR 2022, equations 1 to 6 and algorithm 1.

    Examples
    --------
    One constant feature, 2 apart in the two views:

    >>> terms = vicreg(torch.tensor([[[0.0], [0.0]], [[2.0], [2.0]]]))
    >>> {name: round(term.item(), 2) for name, term in terms.items()}
    {'variance': 49.5, 'invariance': 100.0, 'covariance': 0.0}
    """
    check_not_negative(
        variance_weight=variance_weight,
        invariance_weight=invariance_weight,
        covariance_weight=covariance_weight,
    )
    with torch.autocast(z.device.type, enabled=False):
        z = _whole(z)
        # Before centring: views that differ by a constant do not agree.
        distances = [mse_loss(a, b) for a, b in combinations(z, 2)]
        z = z - z.mean(1, keepdim=True)
        # One product gives the variances too, on its diagonal.
        covariances = z.mT @ z / (z.shape[1] - 1)
        deviations = (covariances.diagonal(dim1=1, dim2=2) + 1e-4).sqrt()
        return {
            "variance": variance_weight * 2 * relu(1 - deviations).mean(),
            "invariance": invariance_weight * torch.stack(distances).mean(),
            "covariance": covariance_weight * 2 * _off_diagonal(covariances).mean() / z.shape[2],
        }


def _whole(z: torch.Tensor) -> torch.Tensor:
    """Embeddings of all processes, in single precision at least."""
    check_several(views=z.shape[0], windows=z.shape[1])
    return gather(at_least_float32(z).transpose(0, 1)).transpose(0, 1)


def _off_diagonal(matrices: torch.Tensor) -> torch.Tensor:
    """Sum of the squares off the diagonal of each of some (D, D) matrices."""
    diagonal = torch.eye(matrices.shape[-1], dtype=torch.bool, device=matrices.device)
    return matrices.masked_fill(diagonal, 0).square().sum((1, 2))


def _expander(num_features: int, hidden: int, width: int) -> nn.Sequential:
    """Make the head of both papers: a `projector` with one more hidden layer."""
    return nn.Sequential(*hidden_layer(num_features, hidden), *projector(hidden, hidden, width))


class BarlowTwins(Objective):
    """Redundancy reduction: the features of two views correlate each with itself alone.

    The embeddings come from a projector of three layers; the terms are those of `barlow_twins`.

    Parameters
    ----------
    redundancy_weight : float
        At least 0; see `barlow_twins`.
    hidden : int
        Units of both hidden layers of the projector.
    width : int
        Features of an embedding. Unlike a contrastive loss this one gains from many.

    Raises
    ------
    ValueError
        If the weight is negative or infinite or a size is below 1.

    References
    ----------
    J. Zbontar, L. Jing, I. Misra, Y. LeCun and S. Deny, "Barlow Twins: self-supervised learning via
    redundancy reduction", ICML 2021, section 2. Departures: a smaller projector (8192 units in the
    paper); any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = BarlowTwins().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['invariance', 'redundancy']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self, redundancy_weight: float = 5e-3, hidden: int = 512, width: int = 512
    ) -> None:
        super().__init__()
        check_not_negative(redundancy_weight=redundancy_weight)
        check_sizes(hidden=hidden, width=width)
        self.redundancy_weight = redundancy_weight
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the projector."""
        self.projector = _expander(encoder.num_features, self.hidden, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Two terms, ``invariance`` and ``redundancy``."""
        z = embed(self.projector, represent(encoder, batch.views))
        return barlow_twins(z, self.redundancy_weight)


class VICReg(Objective):
    """Variance, invariance and covariance: features vary, agree across views, and differ.

    The embeddings come from a projector of three layers, the paper's expander; the terms are those
    of `vicreg`.

    Parameters
    ----------
    variance_weight, invariance_weight, covariance_weight : float
        At least 0; see `vicreg`.
    hidden : int
        Units of both hidden layers of the projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If a weight is negative or infinite or a size is below 1.

    References
    ----------
    A. Bardes, J. Ponce and Y. LeCun, "VICReg: variance-invariance-covariance regularization for
    self-supervised learning", ICLR 2022, section 4. Departures: a smaller projector (8192 units in
    the paper); any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = VICReg().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['variance', 'invariance', 'covariance']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self,
        variance_weight: float = 25.0,
        invariance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        hidden: int = 512,
        width: int = 512,
    ) -> None:
        super().__init__()
        check_not_negative(
            variance_weight=variance_weight,
            invariance_weight=invariance_weight,
            covariance_weight=covariance_weight,
        )
        check_sizes(hidden=hidden, width=width)
        self.variance_weight = variance_weight
        self.invariance_weight = invariance_weight
        self.covariance_weight = covariance_weight
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the projector."""
        self.projector = _expander(encoder.num_features, self.hidden, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Three terms, ``variance``, ``invariance`` and ``covariance``."""
        z = embed(self.projector, represent(encoder, batch.views))
        return vicreg(z, self.variance_weight, self.invariance_weight, self.covariance_weight)
