"""Views in, contrastive loss out: each view is told apart from the views of other windows."""

import torch
from jaxtyping import Float
from torch.nn.functional import normalize

from tsclr.batch import Batch
from tsclr.distributed import gather, rank
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent
from tsclr.objectives.parts import check_sizes, check_temperature, log_sum_exp, projector

__all__ = ["NTXent", "nt_xent"]


def nt_xent(z: Float[torch.Tensor, "V B D"], temperature: float = 0.2) -> Float[torch.Tensor, ""]:
    r"""Normalised temperature-scaled cross entropy over all views of a batch.

    With the V·B embeddings normalised to unit length, the loss of anchor i and its positive j is
    ``-log(exp(z_i·z_j / temperature) / sum over k != i of exp(z_i·z_k / temperature))``,
    averaged over all anchors and all their positives. With V = 2 this is equation 1 of the paper.
    With V > 2 every ordered pair of views of a window is a positive pair, and the denominator
    always holds all V·B - 1 other embeddings. Under several processes the anchors are those of
    this process and the denominator holds the embeddings of all.

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
    check_temperature(temperature)
    z = normalize(z.transpose(0, 1), dim=-1) / temperature**0.5
    own = torch.arange(V * B, device=z.device)[:, None] + rank() * V * B
    denominator = log_sum_exp(z.flatten(0, 1), gather(z).flatten(0, 1), excluded=own)
    positive = (z * (z.sum(1, keepdim=True) - z)).sum(-1) / (V - 1)
    return denominator.mean() - positive.mean()


class NTXent(Objective):
    """SimCLR: views of the same window attract, all other windows of the batch repel.

    The embeddings come from `projector`; `nt_xent` is the one term.

    Parameters
    ----------
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
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = NTXent().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['nt_xent']
    >>> sum(terms.values()).backward()
    """

    def __init__(self, temperature: float = 0.2, hidden: int = 256, width: int = 128) -> None:
        super().__init__()
        check_temperature(temperature)
        check_sizes(hidden=hidden, width=width)
        self.temperature = temperature
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:  # noqa: ARG002
        """Make the projector."""
        self.projector = projector(encoder.num_features, self.hidden, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``nt_xent``."""
        h = represent(encoder, batch.views)
        z = self.projector(h.flatten(0, 1)).unflatten(0, h.shape[:2])
        return {"nt_xent": nt_xent(z, self.temperature)}
