"""Windows in, views of a sensor that reports less often out."""

from typing import Annotated, final

import torch
from jaxtyping import Float, Int

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.draws import integers, precision
from tsclr.checks import in_range

__all__ = ["Pool"]


@final
class Pool(Augmentation):
    """Average over blocks and hold: a sensor that averages before it reports.

    The window is cut into blocks of a size drawn for each window, from its first sample on, and
    every sample takes the mean of its block. The last block may be shorter.

    Parameters
    ----------
    max_size : int
        Largest block in samples; the size is uniform from 2 to there.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `max_size` lies outside 2 to 64.

    Examples
    --------
    >>> Pool(max_size=2)(torch.tensor([[[1.0, 3.0, 5.0, 7.0, 9.0]]]))
    tensor([[[2., 2., 6., 6., 9.]]])
    """

    def __init__(self, max_size: int = 4, p: float = 1.0) -> None:
        super().__init__(p)
        self.max_size = in_range("max_size", max_size, 2, 64)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Int[torch.Tensor, " B"], Quantity("block size in samples")]:
        """Draw the size of the blocks."""
        return integers(x, 2, self.max_size + 1, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Int[torch.Tensor, " B"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Give every sample the mean of its block."""
        T, numbers = x.shape[2], precision(x)  # floats count exactly here, and divide faster
        size = drawn[:, None].to(numbers)
        sums = x.to(numbers, copy=True)  # of as many samples as a block has, from each one on
        for offset in range(1, min(self.max_size, T)):
            # A factor of 0 or 1 adds a sample only where the block of the window is that long.
            is_in = (size > offset).to(x.dtype)
            sums[:, :, :-offset].addcmul_(x[:, :, offset:], is_in[:, None])
        start = (torch.arange(T, dtype=numbers, device=x.device) / size).floor() * size
        sums = sums.gather(2, start.long()[:, None].expand_as(x))
        return sums.div_((T - start).minimum(size)[:, None]).to(x.dtype)
