"""Local-global contrast: the vector of a window is matched with the steps of its other view."""

from itertools import permutations

import torch
from jaxtyping import Float

from tsclr.checks import check_not_negative, check_positive, check_several, check_sizes
from tsclr.distributed import gather, rank
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent_both
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import at_least_float32, embed, embed_steps, projector

__all__ = ["LocalGlobal", "local_global_nce"]


def local_global_nce(
    z: Float[torch.Tensor, "B D"], steps: Float[torch.Tensor, "B S D"], clip: float = 20.0
) -> tuple[Float[torch.Tensor, ""], Float[torch.Tensor, ""]]:
    r"""Tell the steps of a window from the steps of all others, given the vector of the window.

    The score of window b and step s of window m is ``a = z_b·steps_ms / sqrt(D)``, softly clipped
    to ``a' = clip · tanh(a / clip)``. The loss of a window and one of its own steps is
    ``-log(exp(a'_bbs) / (exp(a'_bbs) + sum over m != b and r of exp(a'_bmr)))``: its other steps
    are no negatives. Under several processes the windows are those of this process and the
    negatives the steps of all.

    Parameters
    ----------
    z : (B, D) tensor
        A vector for each window.
    steps : (B, S, D) tensor
        A vector for each step; ``steps[b]`` belongs to ``z[b]``.
    clip : float
        Largest absolute score, greater than 0.

    Returns
    -------
    loss : scalar tensor
        Mean over the B·S pairs of a window and a step of its own.
    squares : scalar tensor
        Mean square of all scores before clipping, for a penalty that keeps them small.

    Raises
    ------
    ValueError
        If there are fewer than two windows, or `clip` is not finite and greater than 0.

    References
    ----------
    P. Bachman, R. D. Hjelm and W. Buchwalter, "Learning representations by maximizing mutual
    information across views", NeurIPS 2019, sections 3.2 to 3.4; the division by the root of D is
    that of the code published with the paper.

    Examples
    --------
    Nothing learned yet, all scores 0: one positive against the three steps of the other window.

    >>> loss, squares = local_global_nce(torch.zeros(2, 4), torch.zeros(2, 3, 4))
    >>> loss.item()  # log(4)
    1.386...
    """
    check_several(windows=len(z))
    check_positive(clip=clip)
    return _contrast(z, gather(at_least_float32(steps)), clip)


def _contrast(
    z: Float[torch.Tensor, "B D"], steps: Float[torch.Tensor, "M S D"], clip: float
) -> tuple[Float[torch.Tensor, ""], Float[torch.Tensor, ""]]:
    """`local_global_nce` with the steps of all processes."""
    B, D = z.shape
    with torch.autocast(z.device.type, enabled=False):
        raw = torch.einsum("bd,msd->bms", at_least_float32(z), steps) / D**0.5
    scores = clip * (raw / clip).tanh()
    row = torch.arange(B, device=z.device)
    target = row + rank() * B
    positive = scores[row, target]
    # Its own steps are no negatives; the one that is the positive comes back in `logaddexp`.
    is_own = (torch.arange(scores.shape[1], device=z.device) == target[:, None])[:, :, None]
    negative = scores.masked_fill(is_own, -torch.inf).flatten(1).logsumexp(1, keepdim=True)
    return (torch.logaddexp(negative, positive) - positive).mean(), raw.square().mean()


class LocalGlobal(Objective):
    """Deep InfoMax across views: the vector of one view predicts every step of another, both ways.

    So a window vector has to say what holds at all its steps. Windows and steps are projected to a
    common width by a `projector` each; ``local_global`` is the mean of `local_global_nce` over
    all ordered pairs of views and ``penalty`` the mean square of the scores. Steps need
    not correspond in time between the views.

    Parameters
    ----------
    clip : float
        Greater than 0; scores are softly clipped to this absolute value.
    penalty_weight : float
        Weight of ``penalty``, at least 0.
    hidden : int
        Hidden units of both projectors.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `clip` is not greater than 0, `penalty_weight` is negative, or a size is below 1.

    References
    ----------
    P. Bachman, R. D. Hjelm and W. Buchwalter, "Learning representations by maximizing mutual
    information across views" (AMDIM), NeurIPS 2019, sections 3.2 to 3.4; R. D. Hjelm et al.,
    "Learning deep representations by mutual information estimation and maximization" (DIM), ICLR
    2019, section 3.2. Departures: one scale, the last feature map, instead of three; the window
    vector is the pooled map; the projectors have BatchNorm and no shortcut; the penalty is of both
    directions' mean, as the loss is; any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = LocalGlobal().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['local_global', 'penalty']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self, clip: float = 20.0, penalty_weight: float = 0.04, hidden: int = 256, width: int = 128
    ) -> None:
        super().__init__()
        check_positive(clip=clip)
        check_not_negative(penalty_weight=penalty_weight)
        check_sizes(hidden=hidden, width=width)
        self.clip = clip
        self.penalty_weight = penalty_weight
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the two projectors."""
        self.project_windows = projector(encoder.num_features, self.hidden, self.width)
        self.project_steps = projector(encoder.feature_width, self.hidden, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Two terms, ``local_global`` and ``penalty``."""
        h, maps = represent_both(encoder, batch.views)
        z, steps = embed(self.project_windows, h), embed_steps(self.project_steps, maps)
        # Once for each view, though every other view is contrasted with its steps.
        all_steps = [gather(at_least_float32(view)) for view in steps]
        pairs = [
            _contrast(z[one], all_steps[other], self.clip)
            for one, other in permutations(range(len(z)), 2)
        ]
        loss, squares = (torch.stack(values).mean() for values in zip(*pairs, strict=True))
        return {"local_global": loss, "penalty": self.penalty_weight * squares}
