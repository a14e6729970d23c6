"""A weighted sum of several objectives over one encoder."""

import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_sizes
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import numbered

__all__ = ["Weighted"]


class Weighted(Objective):
    """A hybrid: the weighted sum of several objectives over one encoder.

    Each is built, follows the optimiser and is called as if it were alone: it makes its own passes
    through the encoder, and a batch norm in there moves its running moments at each. The terms are
    those of all, times their weights, under their own names; a name that there was before gets a
    number, as in ``nt_xent`` and ``nt_xent_2``.

    Every view is for every objective, so there have to be as many as the objective that relates
    most of them needs. Labels are read if one of them reads labels.

    Parameters
    ----------
    objectives : sequence of Objective
        At least one; they may be `Weighted` themselves.
    weights : sequence of float, optional
        What the terms of each are multiplied by, finite and greater than 0; 1 by default. An
        objective that should not count has to be left out, since its weights would get no gradient.

    Raises
    ------
    ValueError
        If there is no objective, or not one allowed weight for each.

    References
    ----------
    The weighted sum of losses of multi-task learning, as in R. Caruana, "Multitask learning",
    Machine Learning 28 (1997).

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> from tsclr.objectives import MaskedReconstruction, NTXent
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = Weighted([NTXent(), MaskedReconstruction()], weights=[1.0, 0.5])
    >>> batch = Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)])
    >>> list(objective.build(encoder, n_windows=1000)(encoder, batch))
    ['nt_xent', 'reconstruction']
    """

    def __init__(
        self, objectives: Sequence[Objective], weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        check_sizes(objectives=len(objectives))
        _check_weights(weights, len(objectives))
        self.objectives = nn.ModuleList(objectives)
        self.weights = weights
        self.n_views = max(objective.n_views for objective in objectives)
        self.reads_labels = any(objective.reads_labels for objective in objectives)

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Build each objective."""
        for objective in self._each():
            objective.build(encoder, n_windows)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """The weighted terms of each objective."""
        weights = self.weights or [1.0] * len(self.objectives)
        pairs = [
            (name, weight * term)
            for objective, weight in zip(self._each(), weights, strict=True)
            for name, term in objective(encoder, batch).items()
        ]
        names = numbered(name for name, _ in pairs)
        return dict(zip(names, (term for _, term in pairs), strict=True))

    def after_step(self, encoder: Encoder) -> None:
        """Let each objective follow the step."""
        for objective in self._each():
            objective.after_step(encoder)

    def _each(self) -> Iterable[Objective]:
        """Give the ModuleList its element type, which torch does not declare."""
        return cast("Iterable[Objective]", self.objectives)


def _check_weights(weights: Sequence[float] | None, n_objectives: int) -> None:
    if weights is None:
        return
    if len(weights) != n_objectives or not all(0 < weight < math.inf for weight in weights):
        raise ValueError(
            f"weights are {list(weights)}, allowed is one for each of {n_objectives} objectives, "
            "finite and greater than 0: leave out an objective that should not count"
        )
