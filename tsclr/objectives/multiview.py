"""Multiview coding: what one sensor shows predicts what the others show at the same time."""

from itertools import permutations

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_positive, check_several, check_sizes
from tsclr.distributed import gather
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import embed, projector
from tsclr.objectives.infonce import log_sum_exp, unit

__all__ = ["CMC", "multiview_nce"]


def multiview_nce(
    z: Float[torch.Tensor, "M V B D"], temperature: float = 0.07
) -> Float[torch.Tensor, ""]:
    r"""Contrast between all pairs of M parts of a window: the full graph of the paper.

    With embeddings normalised to unit length, part i of window n is told which of the windows m
    part j belongs to: ``-log(exp(z_in·z_jn / temperature) / sum over m of exp(z_in·z_jm /
    temperature))``, equation 3 of the paper. It is averaged over windows and summed over all
    ordered pairs i != j, which is equation 8. Parts are never contrasted with themselves. Where
    there are V views, part i of each is contrasted with part j of each, and the V² losses are
    averaged. Under several processes the anchors are those of this process and the windows m those
    of all.

    Parameters
    ----------
    z : (M, V, B, D) tensor
        Embeddings of M parts of V views. They need not be normalised.
    temperature : float
        Greater than 0. Small values make the nearest negatives count most.

    Returns
    -------
    scalar tensor
        Sum over M·(M - 1) pairs of means over V²·B anchors.

    Raises
    ------
    ValueError
        If there are fewer than two parts or windows, or `temperature` is not greater than 0.

    References
    ----------
    Y. Tian, D. Krishnan and P. Isola, "Contrastive multiview coding", ECCV 2020, equations 2, 3, 5
    and 8; their views are the parts here.

    Examples
    --------
    Two windows in opposite directions, both parts equal: each of the two directions has its
    positive at similarity 1 and a negative at -1.

    >>> z = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]).expand(2, 1, 2, 2)
    >>> multiview_nce(z, temperature=1.0).item()  # 2 log(1 + exp(-2))
    0.253...
    """
    M, V, B, _ = z.shape
    check_several(parts=M, windows=B)
    check_positive(temperature=temperature)
    z = unit(z) / temperature**0.5
    keys = gather(z.permute(2, 0, 1, 3).contiguous()).permute(1, 2, 0, 3)
    losses = []
    for i, j in permutations(range(M), 2):
        denominators = [log_sum_exp(z[i].flatten(0, 1), keys[j, view]).mean() for view in range(V)]
        # Dot products are linear: that of the means over views is the mean over all pairs of views.
        positives = (z[i].mean(0) * z[j].mean(0)).sum(-1)
        losses.append(torch.stack(denominators).mean() - positives.mean())
    return torch.stack(losses).sum()


class CMC(Objective):
    """Contrastive multiview coding: the parts of an encoder agree on which window they see.

    The parts are those of a `Concat`: an encoder for each sensor, such as accelerometer and
    gyroscope, or for each device, such as wrist and pocket. Each has a projector of its own;
    `multiview_nce` is the one term. A representation is then the parts side by side.

    Parameters
    ----------
    temperature : float
        Greater than 0; see `multiview_nce`.
    hidden : int
        Hidden units of each projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0, a size is below 1, or, in `build`, the encoder has a
        single part.

    References
    ----------
    Y. Tian, D. Krishnan and P. Isola, "Contrastive multiview coding", ECCV 2020, section 3.
    Departures: the negatives are the other windows of the batch and the loss is a softmax over
    them, where the paper draws negatives from a memory bank and approximates the softmax by
    noise-contrastive estimation; the projector has a hidden layer; any number of augmented views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d, Concat
    >>> encoder = Concat(6, [CNN1d(3), CNN1d(3)], channels=[[0, 1, 2], [3, 4, 5]])
    >>> objective = CMC().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['multiview_nce']
    >>> sum(terms.values()).backward()
    """

    n_views = 1

    def __init__(self, temperature: float = 0.07, hidden: int = 256, width: int = 128) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        check_sizes(hidden=hidden, width=width)
        self.temperature = temperature
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make a projector for each part."""
        if len(encoder.part_widths) < 2:
            raise ValueError(
                f"CMC contrasts the parts of an encoder, and {type(encoder).__name__} has only "
                "one: use a Concat with an encoder for each sensor or device"
            )
        self.projectors = nn.ModuleList(
            projector(width, self.hidden, self.width) for width in encoder.part_widths
        )

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``multiview_nce``."""
        parts = represent(encoder, batch.views).split(encoder.part_widths, dim=2)
        z = [embed(head, features) for head, features in zip(self.projectors, parts, strict=True)]
        return {"multiview_nce": multiview_nce(torch.stack(z), self.temperature)}
