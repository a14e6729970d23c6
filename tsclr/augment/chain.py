"""Windows in, views that several augmentations made one after the other out."""

from collections.abc import Iterable, Sequence
from typing import cast, final

import torch
from jaxtyping import Float
from torch import nn

from tsclr.augment.base import Augmentation, Gated


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
        """Draw for every step."""
        return tuple(step.draw_gated(x, generator) for step in self._steps())

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: tuple[Gated, ...]
    ) -> Float[torch.Tensor, "B C T"]:
        """Apply the steps in order."""
        for step, gated in zip(self._steps(), drawn, strict=True):
            x = step.transform_gated(x, gated)
        return x

    def _steps(self) -> Iterable[Augmentation]:
        """Give the ModuleList its element type, which torch does not declare."""
        return cast("Iterable[Augmentation]", self.augmentations)
