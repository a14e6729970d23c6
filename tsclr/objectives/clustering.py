"""Clustering objectives: each view predicts the prototypes that the other views are assigned to."""

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_positive, check_several, check_sizes
from tsclr.distributed import gather, own_rows
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import at_least_float32, embed, mean_of_others, projector
from tsclr.objectives.infonce import unit

__all__ = ["SwAV", "sinkhorn", "swav"]


def sinkhorn(
    scores: Float[torch.Tensor, "N K"], epsilon: float = 0.05, n_iterations: int = 3
) -> Float[torch.Tensor, "N K"]:
    """Share rows out among prototypes so that each prototype gets as much: Sinkhorn-Knopp.

    ``Diag(u) exp(scores / epsilon) Diag(v)``, where u and v are found by scaling columns to N / K
    and rows to 1 in turn, columns first. It works on logarithms, so no `epsilon` overflows.

    Parameters
    ----------
    scores : (N, K) tensor
        Similarity of each embedding to each of K prototypes.
    epsilon : float
        Greater than 0. Small values give hard assignments.
    n_iterations : int
        How often both are scaled; the more, the nearer the columns are to N / K.

    Returns
    -------
    (N, K) tensor
        Assignments; each row sums to 1.

    Raises
    ------
    ValueError
        If `epsilon` is not greater than 0 or `n_iterations` is below 1.

    References
    ----------
    M. Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments",
    NeurIPS 2020, equation 5. M. Cuturi, "Sinkhorn distances", NIPS 2013, algorithm 1.

    Examples
    --------
    Both rows prefer prototype 0, the first one more so; they have to divide.

    >>> sinkhorn(torch.tensor([[0.9, 0.1], [0.6, 0.2]])).round(decimals=2)
    tensor([[0.9200, 0.0800],
            [0.0000, 1.0000]])
    """
    check_positive(epsilon=epsilon)
    check_sizes(n_iterations=n_iterations)
    logarithm = scores / epsilon
    for _ in range(n_iterations):
        # Columns get the sum 1, not N / K: the rows, scaled last, take out any constant.
        logarithm = logarithm.log_softmax(0)
        logarithm = logarithm.log_softmax(1)
    return logarithm.exp()


def swav(
    z: Float[torch.Tensor, "V B D"],
    prototypes: Float[torch.Tensor, "K D"],
    temperature: float = 0.1,
    epsilon: float = 0.05,
    n_iterations: int = 3,
) -> Float[torch.Tensor, ""]:
    """Swapped prediction: a view's prototype is told from another view of the window.

    With embeddings normalised to unit length, ``q_v = sinkhorn(z_v · prototypes)`` and
    ``p_w = softmax(z_w · prototypes / temperature)``, two views v and w lose
    ``-sum over k of q_vk log p_wk`` and the same with v and w swapped. The sum of both is averaged
    over the windows and over all pairs of views. With V = 2 this is equation 1 of the paper. The
    assignments q of a view are made over its embeddings in all processes, in single precision at
    least, and pass no gradient.

    Parameters
    ----------
    z : (V, B, D) tensor
        Embeddings; ``z[:, b]`` are the views of window b. They need not be normalised.
    prototypes : (K, D) tensor
        Of unit length.
    temperature : float
        Greater than 0.
    epsilon, n_iterations : float, int
        See `sinkhorn`.

    Returns
    -------
    scalar tensor
        At least twice the mean entropy of the assignments.

    Raises
    ------
    ValueError
        If there are fewer than two views, or a setting is not allowed.

    References
    ----------
    M. Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments",
    NeurIPS 2020, equations 1 and 2.

    Examples
    --------
    Windows that lie on different prototypes are told apart, those that coincide are not.

    >>> z = torch.eye(2).expand(2, 2, 2)
    >>> swav(z, torch.eye(2)).item() < 1e-3
    True
    >>> swav(torch.ones(2, 2, 2), torch.eye(2)).item()  # 2 log 2
    1.386...
    """
    check_several(views=len(z))
    check_positive(temperature=temperature)
    # Mixed precision would round the scores, which `sinkhorn` divides by a small epsilon.
    with torch.autocast(z.device.type, enabled=False):
        scores = unit(z) @ at_least_float32(prototypes).T
        with torch.no_grad():
            # `gather` joins along the first axis, so windows go before views.
            all_scores = gather(scores.transpose(0, 1)).unbind(1)
            assigned = [own_rows(sinkhorn(view, epsilon, n_iterations)) for view in all_scores]
        q, log_p = torch.stack(assigned), (scores / temperature).log_softmax(-1)
        # The mean over ordered pairs of views, doubled: both directions are summed.
        return -2 * (mean_of_others(q) * log_p).sum(-1).mean()


class SwAV(Objective):
    """Swapping assignments between views: cluster online, and predict the cluster across views.

    The embeddings come from `projector`; `swav` is the one term. The prototypes are weights,
    brought back to unit length after each step.

    Parameters
    ----------
    n_prototypes : int
        How many there are (K). No more than windows in the batch of all processes is sensible, as
        each gets the same share of it.
    temperature : float
        Greater than 0; see `swav`.
    epsilon : float
        Greater than 0; see `sinkhorn`.
    n_iterations : int
        Of `sinkhorn`.
    hidden : int
        Hidden units of the projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `temperature` or `epsilon` is not greater than 0 or a size is below 1.

    References
    ----------
    M. Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments",
    NeurIPS 2020, section 3. Departures: fewer prototypes (3000 in the paper), for batches of
    hundreds; no queue, which the paper adds for small batches; prototypes are trained from the
    first step on (the paper holds them for an epoch); every view gets assignments (the paper
    assigns its two full-resolution crops only).

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = SwAV().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['swav']
    >>> sum(terms.values()).backward()  # then a step of the optimiser, and
    >>> objective.after_step(encoder)
    """

    def __init__(
        self,
        n_prototypes: int = 128,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        n_iterations: int = 3,
        hidden: int = 256,
        width: int = 128,
    ) -> None:
        super().__init__()
        check_positive(temperature=temperature, epsilon=epsilon)
        check_sizes(
            n_prototypes=n_prototypes, n_iterations=n_iterations, hidden=hidden, width=width
        )
        self.n_prototypes = n_prototypes
        self.temperature = temperature
        self.epsilon = epsilon
        self.n_iterations = n_iterations
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the projector and the prototypes, which lie anywhere on the sphere."""
        self.projector = projector(encoder.num_features, self.hidden, self.width)
        self.prototypes = nn.Parameter(unit(torch.randn(self.n_prototypes, self.width)))

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``swav``."""
        z = embed(self.projector, represent(encoder, batch.views))
        return {"swav": swav(z, self.prototypes, self.temperature, self.epsilon, self.n_iterations)}

    @torch.no_grad()
    def after_step(self, encoder: Encoder) -> None:
        """Bring the prototypes back to unit length."""
        # In place, since the optimiser holds this very tensor.
        self.prototypes.copy_(unit(self.prototypes))
