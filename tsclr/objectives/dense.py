"""Dense contrast: each step of a view is paired with the most similar step of another view."""

import torch
from jaxtyping import Float, Int

from tsclr.checks import check_fractions, check_positive, check_sizes
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent_both
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import embed, embed_steps, projector
from tsclr.objectives.infonce import anchors_and_keys, log_sum_exp, nt_xent, unit

__all__ = ["Dense", "correspondence", "dense_nce"]


@torch.no_grad()
def correspondence(
    features: Float[torch.Tensor, "N D S"], others: Float[torch.Tensor, "N D R"]
) -> Int[torch.Tensor, "N S"]:
    """For each step of a map, the step of another map with the most similar features.

    Parameters
    ----------
    features : (N, D, S) tensor
        Maps of the encoder.
    others : (N, D, R) tensor
        Maps of another view of the same windows.

    Returns
    -------
    (N, S) int tensor
        Step of largest cosine similarity, without gradient.

    References
    ----------
    X. Wang et al., "Dense contrastive learning for self-supervised visual pre-training", CVPR
    2021, equation 4.

    Examples
    --------
    >>> correspondence(torch.eye(3)[None], torch.eye(3)[None].flip(2))
    tensor([[2, 1, 0]])
    """
    with torch.autocast(features.device.type, enabled=False):
        return (unit(features.mT) @ unit(others.mT).mT).argmax(-1)


def dense_nce(
    steps: Float[torch.Tensor, "V B S D"],
    maps: Float[torch.Tensor, "V B E S"],
    temperature: float = 0.2,
) -> Float[torch.Tensor, ""]:
    r"""Contrast of each step with its like in another view, against the means of other windows.

    Step s of view v of window b has as positive the step of view w that `correspondence` finds by
    the feature maps. With q and p their embeddings, k_um the mean of the steps of view u of window
    m, and all of them normalised to unit length, its loss is ``-log(exp(q·p / temperature) /
    (exp(q·p / temperature) + sum over u and m != b of exp(q·k_um / temperature)))``. Under several
    processes the steps are those of this process and the means of all.

    Parameters
    ----------
    steps : (V, B, S, D) tensor
        Embeddings of S steps in V views of each window.
    maps : (V, B, E, S) tensor
        Features of the same steps, as the encoder gives them.
    temperature : float
        Greater than 0.

    Returns
    -------
    scalar tensor
        Mean over V·B·S steps and their positives in the V - 1 other views.

    Raises
    ------
    ValueError
        If there are fewer than two views or windows, or `temperature` is not greater than 0.

    References
    ----------
    X. Wang et al., "Dense contrastive learning for self-supervised visual pre-training", CVPR
    2021, equation 2.

    Examples
    --------
    Two windows of one step, alike in both views: one positive at similarity 1, two negatives at 0.

    >>> steps = torch.eye(2).view(1, 2, 1, 2).expand(2, 2, 1, 2)
    >>> dense_nce(steps, steps.mT, temperature=1.0).item()  # log(1 + 2 exp(-1))
    0.551...
    """
    V, B, S, _ = steps.shape
    _, keys, own_columns = anchors_and_keys(steps.mean(2), temperature)
    # The keys hold the other root of the temperature.
    query = unit(steps) / temperature**0.5
    negative = log_sum_exp(
        # Windows first, as in `own_columns`.
        query.transpose(0, 1).flatten(0, 2),
        keys.flatten(0, 1),
        excluded=own_columns.repeat_interleave(V * S, dim=0),
    )
    negative = negative.view(B, V, S).transpose(0, 1)
    losses = []
    for shift in range(1, V):
        like = correspondence(maps.flatten(0, 1), maps.roll(shift, dims=0).flatten(0, 1))
        positives = query.roll(shift, dims=0).gather(2, like.view(V, B, S, 1).expand_as(query))
        positive = (query * positives).sum(-1)
        # -log(p / (p + n)) of exponentials that are never computed, so that none overflows.
        losses.append(torch.logaddexp(negative, positive) - positive)
    return torch.stack(losses).mean()


class Dense(Objective):
    """DenseCL: steps attract the step of another view that they look most like; windows do too.

    ``dense`` is `dense_nce` on the steps and ``global`` is `tsclr.objectives.nt_xent` on the
    windows; each has a `projector` of its own. Since corresponding steps are searched for, views
    may be cropped, bent in time, or of neighbouring windows.

    Parameters
    ----------
    temperature : float
        Greater than 0; see `dense_nce`.
    dense_weight : float
        Weight of ``dense``, from 0 to 1; ``global`` has the rest (λ in the paper).
    hidden : int
        Hidden units of both projectors.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0, `dense_weight` is outside 0 to 1, or a size is
        below 1.

    References
    ----------
    X. Wang et al., "Dense contrastive learning for self-supervised visual pre-training", CVPR
    2021, equations 1 to 4. Departures: the negatives are all other windows of the batch and there
    is gradient through keys, as in SimCLR, in place of a queue from an averaged encoder; the
    loss is taken both ways; the projectors have BatchNorm; any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = Dense().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['global', 'dense']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self,
        temperature: float = 0.2,
        dense_weight: float = 0.5,
        hidden: int = 256,
        width: int = 128,
    ) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        check_fractions(dense_weight=dense_weight)
        check_sizes(hidden=hidden, width=width)
        self.temperature = temperature
        self.dense_weight = dense_weight
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the two projectors."""
        self.project_windows = projector(encoder.num_features, self.hidden, self.width)
        self.project_steps = projector(encoder.feature_width, self.hidden, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Two terms, ``global`` and ``dense``."""
        h, maps = represent_both(encoder, batch.views)
        z, steps = embed(self.project_windows, h), embed_steps(self.project_steps, maps)
        weight = self.dense_weight
        return {
            "global": (1 - weight) * nt_xent(z, self.temperature),
            "dense": weight * dense_nce(steps, maps, self.temperature),
        }
