"""Patch contrast: a step of one view is matched among all steps of the other view of its window."""

from itertools import permutations

import torch
from jaxtyping import Float

from tsclr.checks import check_positive, check_sizes
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent_steps
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import embed_steps, projector
from tsclr.objectives.infonce import unit

__all__ = ["PatchNCE", "patch_nce"]


def patch_nce(
    query: Float[torch.Tensor, "N S D"],
    keys: Float[torch.Tensor, "N S D"],
    temperature: float = 0.07,
) -> Float[torch.Tensor, ""]:
    r"""Tell each step of a window from the other steps of the same window.

    With all vectors normalised to unit length, the loss of step s is
    ``-log(exp(q_s·k_s / temperature) / sum over r of exp(q_s·k_r / temperature))``.

    Parameters
    ----------
    query, keys : (N, S, D) tensor
        A vector for each step in two views of the same windows, aligned in time.
    temperature : float
        Greater than 0.

    Returns
    -------
    scalar tensor
        Mean over all N·S steps.

    Raises
    ------
    ValueError
        If there are fewer than two steps, or `temperature` is not greater than 0.

    References
    ----------
    T. Park, A. A. Efros, R. Zhang and J.-Y. Zhu, "Contrastive learning for unpaired image-to-image
    translation", ECCV 2020, equations 2 and 3.

    Examples
    --------
    >>> steps = torch.eye(3)[None]
    >>> patch_nce(steps, steps, temperature=1.0).item()  # log(1 + 2 exp(-1))
    0.551...
    """
    check_positive(temperature=temperature)
    if query.shape[1] < 2:
        raise ValueError(
            f"the feature map has {query.shape[1]} step, which leaves no other to contrast "
            "it with: use longer windows, or an encoder with more steps"
        )
    with torch.autocast(query.device.type, enabled=False):
        similarity = unit(query) @ unit(keys).mT / temperature
    return (similarity.logsumexp(-1) - similarity.diagonal(dim1=1, dim2=2)).mean()


class PatchNCE(Objective):
    """Each step attracts the same step of another view; other steps of the window repel.

    Steps are projected by a `projector`; `patch_nce`, averaged over all ordered pairs of views, is
    the one term. The views have to be aligned in time. No window is ever told from another, and
    what is alike at all steps of a window, such as posture, is of no use: this is for tasks within
    windows, or as one of several objectives.

    Parameters
    ----------
    temperature : float
        Greater than 0; see `patch_nce`.
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
    T. Park, A. A. Efros, R. Zhang and J.-Y. Zhu, "Contrastive learning for unpaired image-to-image
    translation", ECCV 2020, section 3. Departures: the second image is a view, where the paper has
    the translation of the first, so there is no generator; the last map instead of several layers,
    and all its steps; BatchNorm in the projector; both ways, with gradient through the keys, which
    the code published with the paper stops; any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = PatchNCE().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['patch_nce']
    >>> sum(terms.values()).backward()
    """

    def __init__(self, temperature: float = 0.07, hidden: int = 256, width: int = 128) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        check_sizes(hidden=hidden, width=width)
        self.temperature = temperature
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the projector."""
        self.project_steps = projector(encoder.feature_width, self.hidden, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``patch_nce``."""
        steps = embed_steps(self.project_steps, represent_steps(encoder, batch.views))
        losses = [patch_nce(*pair, self.temperature) for pair in permutations(steps, 2)]
        return {"patch_nce": torch.stack(losses).mean()}
