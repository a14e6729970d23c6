"""The base class of the objectives, and the checks and passes that they share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar, final

import torch
from jaxtyping import Float
from torch import nn

from tsclr.encoders.base import Encoder
from tsclr.objectives.batch import Batch

T = TypeVar("T")
Built = TypeVar("Built", bound="Objective")


class Objective(nn.Module, ABC):
    """Scores how well an encoder does on the views of a batch.

    The constructor takes settings and stores them; `build` makes what depends on the encoder and is
    thrown away after pretraining, such as a projector or an averaged copy. So an objective in YAML
    is a constructor call, and objectives nest. A subclass writes `make` and `terms`, and
    `after_step` where something has to follow the optimiser.

    What is drawn in `terms` is drawn for the windows of all processes from ``batch.generator``;
    `tsclr.distributed.own_rows` takes this process's part.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> from tsclr.objectives import NTXent
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = NTXent(temperature=0.1).build(encoder, n_windows=1000)
    >>> batch = Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)])
    >>> sum(objective(encoder, batch).values()).backward()
    """

    n_views: int = 2
    """Fewest views of a window."""
    reads_labels: bool = False
    """Whether it looks at labels; all others are never shown any."""
    built: bool = False

    @final
    def build(self: Built, encoder: Encoder, n_windows: int) -> Built:
        """Make the weights and buffers that depend on what is trained, anew at every call.

        Parameters
        ----------
        encoder : Encoder
            What will be trained; not kept, though a copy may be.
        n_windows : int
            Training windows there are.

        Returns
        -------
        Objective
            The object itself.

        Raises
        ------
        ValueError
            If the encoder does not suit the objective.
        """
        # `make` must not assign the encoder itself: as a submodule, its weights would be those of
        # the objective too, in the optimiser and in the checkpoint.
        self.make(encoder, n_windows)
        self.built = True
        return self

    @abstractmethod
    def make(self, encoder: Encoder, n_windows: int) -> None:
        """What a subclass does in `build`.

        Parameters
        ----------
        encoder : Encoder
            What will be trained.
        n_windows : int
            Training windows there are.
        """

    @abstractmethod
    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """The loss terms by name, each a weighted scalar; their sum is the loss.

        Parameters
        ----------
        encoder : Encoder
            As `build` saw it, with its present weights.
        batch : Batch
            Checked by `forward`.

        Raises
        ------
        ValueError
            If the batch lacks something.
        """

    def after_step(self, encoder: Encoder) -> None:
        """Follow a step of the optimiser, for example move an averaged copy of the encoder.

        Parameters
        ----------
        encoder : Encoder
            The encoder after the step.
        """

    @final
    def forward(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Check the batch and return the terms of the loss.

        Parameters
        ----------
        encoder : Encoder
            As `build` saw it, with its present weights.
        batch : Batch
            Two windows or more, `n_views` views or more.

        Raises
        ------
        ValueError
            If there are too few views or windows, or the views differ in shape.
        RuntimeError
            If `build` was not called.
        """
        name = type(self).__name__
        if not self.built:
            raise RuntimeError(f"{name} has no weights yet: call its build(encoder, n_windows)")
        _check_views(batch.views, self.n_views, name)
        return self.terms(encoder, batch)


def represent(
    encoder: Encoder, views: Sequence[Float[torch.Tensor, "B C T"]]
) -> Float[torch.Tensor, "V B D"]:
    """Encode all views in one pass: their representations h.

    That is faster than one pass a view, and BatchNorm normalises all views by the same statistics,
    as in the code published with SimCLR.

    Parameters
    ----------
    encoder : Encoder
        Maps (B, C, T) to (B, D).
    views : sequence of (B, C, T) tensors
        V views of one shape.
    """
    return encoder(torch.cat(tuple(views))).unflatten(0, (len(views), -1))


def represent_steps(
    encoder: Encoder, views: Sequence[Float[torch.Tensor, "B C T"]]
) -> Float[torch.Tensor, "V B D S"]:
    """Encode all views in one pass: their feature maps, a vector for each step."""
    return encoder.forward_features(torch.cat(tuple(views))).unflatten(0, (len(views), -1))


def represent_both(
    encoder: Encoder, views: Sequence[Float[torch.Tensor, "B C T"]]
) -> tuple[Float[torch.Tensor, "V B F"], Float[torch.Tensor, "V B D S"]]:
    """Encode all views in one pass: their representations h, and the feature maps below them."""
    maps = represent_steps(encoder, views)
    return encoder.forward_head(maps.flatten(0, 1)).unflatten(0, maps.shape[:2]), maps


def require(value: T | None, what: str, objective: Objective) -> T:
    """Give back what an objective needs of a batch; ``ValueError`` if it is None.

    Examples
    --------
    >>> from tsclr.objectives import NTXent
    >>> require(None, "labels", NTXent())
    Traceback (most recent call last):
    ValueError: NTXent needs the labels of the batch: pass Batch(views, labels=…)
    """
    if value is None:
        name = type(objective).__name__
        raise ValueError(f"{name} needs the {what} of the batch: pass Batch(views, {what}=…)")
    return value


def _check_views(views: Sequence[torch.Tensor], least: int, name: str) -> None:
    if len(views) < least:
        raise ValueError(f"{name} takes at least {least} views of a window, got {len(views)}")
    shapes = {tuple(view.shape) for view in views}
    if len(shapes) > 1 or len(next(iter(shapes))) != 3:
        raise ValueError(f"views must all be (B, C, T) of one shape, got {sorted(shapes)}")
    if len(views[0]) < 2:
        raise ValueError(
            f"an objective needs at least 2 windows a batch, got {len(views[0])}: "
            "raise the batch size or drop the last incomplete batch"
        )
