"""Views in, contrastive loss out: each view is told apart from the views of other windows."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import nn
from torch.nn.functional import normalize

from tsclr.objectives.base import Objective, projector


def nt_xent(z: Float[torch.Tensor, "V B D"], temperature: float = 0.2) -> Float[torch.Tensor, ""]:
    r"""Normalised temperature-scaled cross entropy over all views of a batch.

    With the V·B embeddings normalised to unit length, the loss of anchor i and its positive j is
    ``-log(exp(z_i·z_j / temperature) / sum over k != i of exp(z_i·z_k / temperature))``,
    averaged over all anchors and all their positives. With V = 2 this is equation 1 of the paper.
    With V > 2 every ordered pair of views of a window is a positive pair, and the denominator
    always holds all V·B - 1 other embeddings.

    Parameters
    ----------
    z : (V, B, D) tensor
        Embeddings; ``z[:, b]`` are the views of window b. They need not be normalised.
    temperature : float
        Greater than 0. Small values make the nearest negatives count most.

    Returns
    -------
    scalar tensor
        Mean over V·B·(V - 1) positive pairs.

    Raises
    ------
    ValueError
        If there are fewer than two views or windows, or `temperature` is not greater than 0.

    References
    ----------
    T. Chen, S. Kornblith, M. Norouzi and G. Hinton, "A simple framework for contrastive learning
    of visual representations", ICML 2020, equation 1.

    Examples
    --------
    Two windows in opposite directions, both views equal: each anchor has its positive at
    similarity 1 and two negatives at -1.

    >>> z = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]).expand(2, 2, 2)
    >>> nt_xent(z, temperature=1.0).item()  # log(1 + 2 exp(-2))
    0.239...
    """
    V, B, _ = z.shape
    if V < 2 or B < 2:
        raise ValueError(f"z has {V} views of {B} windows, NT-Xent needs at least 2 of each")
    _check_temperature(temperature)
    z = normalize(z, dim=-1) / temperature**0.5
    others = z.sum(0) - z
    positive = (z * others).sum(-1).flatten() / (V - 1)
    flat = z.flatten(0, 1)
    similarity = (flat @ flat.T).fill_diagonal_(-torch.inf)
    return (similarity.logsumexp(1) - positive).mean()


class NTXent(Objective):
    """SimCLR: views of the same window attract, all other windows of the batch repel.

    The embeddings come from `projector`; `nt_xent` is the one term.

    Parameters
    ----------
    num_features : int
        Features of the encoder's representation (D).
    temperature : float
        Greater than 0; see `nt_xent`.
    hidden : int
        Hidden units of the projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0 or a size is below 1.

    References
    ----------
    T. Chen, S. Kornblith, M. Norouzi and G. Hinton, "A simple framework for contrastive learning
    of visual representations", ICML 2020. Departures: BatchNorm in the projector, as in the code
    published with the paper, and any number of views.

    Examples
    --------
    >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(6 * 50, 16))
    >>> objective = NTXent(num_features=16)
    >>> terms = objective(encoder, [torch.randn(8, 6, 50), torch.randn(8, 6, 50)])
    >>> list(terms)
    ['nt_xent']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self, num_features: int, temperature: float = 0.2, hidden: int = 256, width: int = 128
    ) -> None:
        super().__init__(num_features)
        _check_temperature(temperature)
        self.temperature = temperature
        self.hidden = hidden
        self.width = width
        self.projector = projector(num_features, hidden, width)

    def forward(
        self, encoder: nn.Module, views: Sequence[Float[torch.Tensor, "..."]]
    ) -> dict[str, Float[torch.Tensor, ""]]:
        """Return one term, ``nt_xent``; arguments and errors as in `Objective.forward`."""
        h = self.features(encoder, views)
        z = self.projector(h.flatten(0, 1)).unflatten(0, h.shape[:2])
        return {"nt_xent": nt_xent(z, self.temperature)}


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}, it must be finite and greater than 0")
