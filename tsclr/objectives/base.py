"""Views of a batch of windows in, weighted scalar loss terms out: what every objective shares."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import nn


def projector(num_features: int, hidden: int, width: int) -> nn.Sequential:
    """Make the head from representations h to embeddings z: Linear, BatchNorm, ReLU, Linear.

    The first layer has no bias, since BatchNorm would remove it.

    Parameters
    ----------
    num_features : int
        Features of a representation (D).
    hidden : int
        Units of the hidden layer.
    width : int
        Features of an embedding.

    Returns
    -------
    torch.nn.Sequential
        Maps (N, num_features) to (N, width).

    Raises
    ------
    ValueError
        If one of the sizes is below 1.

    Examples
    --------
    >>> projector(24, hidden=32, width=16)(torch.zeros(8, 24)).shape
    torch.Size([8, 16])
    """
    for name, size in {"num_features": num_features, "hidden": hidden, "width": width}.items():
        if size < 1:
            raise ValueError(f"{name} is {size}, it must be at least 1")
    return nn.Sequential(
        nn.Linear(num_features, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, width),
    )


class Objective(nn.Module, ABC):
    """Scores how well an encoder treats views of the same window alike.

    An objective owns what is thrown away after pretraining, such as its projector. Subclasses say
    in `forward` which terms there are; the loss is the sum of the terms, so each term comes out
    with its weight applied.

    Parameters
    ----------
    num_features : int
        Features of the encoder's representation (D).

    Examples
    --------
    >>> from tsclr.objectives import NTXent
    >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(6 * 50, 16))
    >>> views = [torch.randn(8, 6, 50), torch.randn(8, 6, 50)]
    >>> NTXent(num_features=16).features(encoder, views).shape
    torch.Size([2, 8, 16])
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    @abstractmethod
    def forward(
        self, encoder: nn.Module, views: Sequence[Float[torch.Tensor, "..."]]
    ) -> dict[str, Float[torch.Tensor, ""]]:
        """Return the loss terms by name, each a weighted scalar; their sum is the loss.

        Parameters
        ----------
        encoder : Encoder
            Maps (B, C, T) to (B, num_features).
        views : sequence of (B, C, T) tensors
            Row b of every view comes from the same window or from its positive.

        Raises
        ------
        ValueError
            If the views or the encoder do not fit; see `features`.
        """

    def after_step(self, encoder: nn.Module) -> None:
        """Follow a step of the optimiser, for example move an averaged copy of the encoder.

        Parameters
        ----------
        encoder : Encoder
            The encoder after the step.
        """

    def features(
        self, encoder: nn.Module, views: Sequence[Float[torch.Tensor, "..."]]
    ) -> Float[torch.Tensor, "V B D"]:
        """Encode all views in one pass: their representations h.

        The views go through as one batch. That is faster than one pass a view, and BatchNorm
        normalises all views by the same statistics, as in the code published with SimCLR.

        Parameters
        ----------
        encoder : Encoder
            Maps (B, C, T) to (B, num_features).
        views : sequence of (B, C, T) tensors
            At least two, of one shape.

        Returns
        -------
        (V, B, D) tensor
            One slice for each view.

        Raises
        ------
        ValueError
            If there are fewer than two views or two windows, if the views differ in shape, or if
            the encoder's output is not (B, num_features).
        """
        _check_views(views)
        h = encoder(torch.cat(tuple(views)))
        if h.ndim != 2 or h.shape[1] != self.num_features:
            raise ValueError(
                f"the encoder gives shape {tuple(h.shape)}, this objective was built for "
                f"(B, {self.num_features}): pass num_features=encoder.num_features"
            )
        return h.unflatten(0, (len(views), -1))


def _check_views(views: Sequence[torch.Tensor]) -> None:
    if len(views) < 2:
        raise ValueError(f"an objective compares views: got {len(views)}, give at least 2")
    shapes = {tuple(view.shape) for view in views}
    if len(shapes) > 1 or len(next(iter(shapes))) != 3:
        raise ValueError(f"views must all be (B, C, T) of one shape, got {sorted(shapes)}")
    if len(views[0]) < 2:
        raise ValueError(
            f"an objective needs at least 2 windows a batch, got {len(views[0])}: "
            "raise the batch size or drop the last incomplete batch"
        )
