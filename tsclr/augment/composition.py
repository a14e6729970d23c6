"""Windows in, views made by several augmentations together out."""

import math
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Annotated, NamedTuple, cast, final

import torch
from jaxtyping import Bool, Float, Int
from torch import nn

from tsclr.augment.base import Augmentation, Gated, Quantity, map_drawn
from tsclr.augment.draws import uniform
from tsclr.checks import in_range

__all__ = ["Chain", "OneOf", "RandomOrder", "SomeOf"]


class Ordered(NamedTuple):
    """What `RandomOrder` draws: the order of the augmentations in each window, and their values."""

    order: Annotated[Int[torch.Tensor, "B K"], Quantity("order")]
    gated: tuple[Gated, ...]


@final
class Chain(Augmentation):
    """Several augmentations, applied in order, each with its own probability.

    Parameters
    ----------
    augmentations : sequence of Augmentation
        First applied first. None at all gives the window itself.

    Examples
    --------
    >>> from tsclr.augment import Chain, Jitter, Rotate
    >>> chain = Chain([Rotate(spread=0.3, p=0.8), Jitter(sd=0.05)])
    >>> chain(torch.zeros(8, 6, 128)).shape
    torch.Size([8, 6, 128])
    """

    def __init__(self, augmentations: Sequence[Augmentation] = ()) -> None:
        super().__init__(p=1.0)
        self.augmentations = nn.ModuleList(augmentations)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> tuple[Gated, ...]:
        """Draw for every augmentation."""
        return _draw_all(self.augmentations, x, generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: tuple[Gated, ...]
    ) -> Float[torch.Tensor, "B C T"]:
        """Apply the augmentations in order."""
        return _apply_all(self.augmentations, x, drawn)


@final
class SomeOf(Augmentation):
    """Apply `n` of several augmentations, chosen anew for each window, in their order.

    Parameters
    ----------
    augmentations : sequence of Augmentation
        What to choose from, each equally likely; their own probabilities count as well.
    n : int
        How many.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `n` lies outside 0 to the number of augmentations.

    References
    ----------
    Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space",
    CVPR Workshops 2020; there an operation can be chosen twice.

    Examples
    --------
    >>> from tsclr.augment import Jitter, Rotate, Scale, SomeOf
    >>> SomeOf([Rotate(), Scale(), Jitter()], n=2)(torch.zeros(8, 6, 128)).shape
    torch.Size([8, 6, 128])
    """

    def __init__(
        self, augmentations: Sequence[Augmentation] = (), n: int = 1, p: float = 1.0
    ) -> None:
        super().__init__(p)
        self.augmentations = nn.ModuleList(augmentations)
        self.n = in_range("n", n, 0, max(1, len(augmentations)))

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> tuple[Gated, ...]:
        """Draw for every augmentation, and choose `n` for each window."""
        luck = uniform(x, len(self.augmentations), generator=generator)
        # The argsort of an argsort is the rank, so exactly n are chosen.
        applies = luck.argsort(dim=1).argsort(dim=1) < self.n
        return _choose(_draw_all(self.augmentations, x, generator), applies)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: tuple[Gated, ...]
    ) -> Float[torch.Tensor, "B C T"]:
        """Apply the chosen augmentations in order."""
        return _apply_all(self.augmentations, x, drawn)


@final
class OneOf(Augmentation):
    """Apply one of several augmentations, chosen anew for each window.

    Parameters
    ----------
    augmentations : sequence of Augmentation
        What to choose from; their own probabilities count as well.
    weights : sequence of float, optional
        How likely each is, in any scale; equally by default.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If there is not one weight, zero or more, for each augmentation, or all are zero.

    Examples
    --------
    >>> from tsclr.augment import Crop, OneOf, TimeWarp
    >>> OneOf([Crop(), TimeWarp()], weights=[3, 1])(torch.zeros(8, 6, 128)).shape
    torch.Size([8, 6, 128])
    """

    def __init__(
        self,
        augmentations: Sequence[Augmentation] = (),
        weights: Sequence[float] | None = None,
        p: float = 1.0,
    ) -> None:
        super().__init__(p)
        self.augmentations = nn.ModuleList(augmentations)
        self.weights = weights
        if weights is not None and (
            len(weights) != len(augmentations)
            or not all(0 <= weight < math.inf for weight in weights)
            or sum(weights) <= 0
        ):
            raise ValueError(
                f"weights are {list(weights)}, allowed is one for each of {len(augmentations)} "
                "augmentations, finite, none negative and not all zero"
            )

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> tuple[Gated, ...]:
        """Draw for every augmentation, and choose one for each window."""
        weights = [1.0] * len(self.augmentations) if self.weights is None else self.weights
        luck = uniform(x, generator=generator)
        share = torch.tensor(weights, dtype=luck.dtype, device=x.device) / sum(weights)
        # Without the last sum: it is 1 only up to rounding, and could lie below a drawn value.
        choice = (luck[:, None] >= share.cumsum(0)[:-1]).sum(dim=1, keepdim=True)
        applies = choice == torch.arange(len(weights), device=x.device)
        return _choose(_draw_all(self.augmentations, x, generator), applies)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: tuple[Gated, ...]
    ) -> Float[torch.Tensor, "B C T"]:
        """Apply the chosen augmentation."""
        return _apply_all(self.augmentations, x, drawn)


@final
class RandomOrder(Augmentation):
    """Apply several augmentations in random order, chosen anew for each window.

    Parameters
    ----------
    augmentations : sequence of Augmentation
        Each is applied once, with its own probability.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If one of them mixes windows of the batch, which are then in different states.

    Examples
    --------
    >>> from tsclr.augment import Jitter, Permute, RandomOrder
    >>> RandomOrder([Permute(), Jitter()])(torch.zeros(8, 6, 128)).shape
    torch.Size([8, 6, 128])
    """

    def __init__(self, augmentations: Sequence[Augmentation] = (), p: float = 1.0) -> None:
        super().__init__(p)
        self.augmentations = nn.ModuleList(augmentations)
        for module in self.modules():
            if isinstance(module, Augmentation) and module.mixes_windows:
                raise ValueError(
                    f"{type(module).__name__} mixes windows and cannot be in a RandomOrder: put it "
                    "before or after"
                )

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Ordered:
        """Draw an order for each window, and for every augmentation."""
        order = uniform(x, len(self.augmentations), generator=generator).argsort(dim=1)
        return Ordered(order, _draw_all(self.augmentations, x, generator))

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Ordered
    ) -> Float[torch.Tensor, "B C T"]:
        """Apply first what comes first in each window, then what comes second and so on."""
        pairs = list(zip(_typed(self.augmentations), drawn.gated, strict=True))
        for current in drawn.order.unbind(dim=1):
            # Every window has one augmentation here, so every row gets written.
            views = torch.empty_like(x)
            for index, (augmentation, gated) in enumerate(pairs):
                rows = (current == index).nonzero()[:, 0]
                drawn_rows = map_drawn(itemgetter(rows), gated)
                views[rows] = augmentation.transform_gated(x[rows], drawn_rows)
            x = views
        return x


def _typed(augmentations: nn.ModuleList) -> Iterable[Augmentation]:
    """Give the ModuleList its element type, which torch does not declare."""
    return cast("Iterable[Augmentation]", augmentations)


def _draw_all(
    augmentations: nn.ModuleList, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None
) -> tuple[Gated, ...]:
    """Draw for every augmentation."""
    return tuple(inner.draw_gated(x, generator) for inner in _typed(augmentations))


def _choose(drawn: tuple[Gated, ...], chosen: Bool[torch.Tensor, "B K"]) -> tuple[Gated, ...]:
    """Let augmentation k change only the windows for which it is chosen."""
    return tuple(
        Gated(applies if gated.applies is None else gated.applies & applies, gated.drawn)
        for gated, applies in zip(drawn, chosen.unbind(dim=1), strict=True)
    )


def _apply_all(
    augmentations: nn.ModuleList, x: Float[torch.Tensor, "B C T"], drawn: tuple[Gated, ...]
) -> Float[torch.Tensor, "B C T"]:
    """Apply the augmentations in order, each to its windows."""
    for augmentation, gated in zip(_typed(augmentations), drawn, strict=True):
        x = augmentation.transform_gated(x, gated)
    return x
