"""What an objective gets in a step: views of a batch of windows, their labels and their times."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Batch:
    """Views of B windows, and where and when the windows behind them were recorded.

    Row b of every view shows window b or its positive. Only the views are always there; an
    objective that needs more says so when it is missing. Under several processes a batch holds the
    windows of this process.

    Parameters
    ----------
    views : sequence of (B, C, T) tensors
        V views, all of one shape.
    windows : (V, B) int tensor, optional
        Number of the window that each view shows, among the training windows.
    starts : (V, B) float64 tensor, optional
        When that window starts, s. Differences within one recording are times.
    recordings : (V, B) int tensor, optional
        Number of the gap-free recording around that window.
    labels : (B,) int tensor, optional
        Class of each window, -1 where there is none; only for objectives that read labels.
    generator : torch.Generator, optional
        On the CPU and alike in all processes, for what an objective draws; ``None`` is the
        global one.

    Examples
    --------
    >>> batch = Batch([torch.zeros(8, 6, 50), torch.zeros(8, 6, 50)])
    >>> len(batch), len(batch.rows(slice(0, 2)).views[1])
    (8, 2)
    """

    views: Sequence[Float[torch.Tensor, "..."]]
    windows: Int[torch.Tensor, "V B"] | None = None
    starts: Float[torch.Tensor, "V B"] | None = None
    recordings: Int[torch.Tensor, "V B"] | None = None
    labels: Int[torch.Tensor, " B"] | None = None
    generator: torch.Generator | None = None

    def __len__(self) -> int:
        return len(self.views[0])

    def rows(self, rows: slice) -> "Batch":
        """The batch of some of the windows.

        Parameters
        ----------
        rows : slice
            Which windows.
        """

        def of_each_view(values: torch.Tensor | None) -> torch.Tensor | None:
            return None if values is None else values[:, rows]

        return Batch(
            [view[rows] for view in self.views],
            of_each_view(self.windows),
            of_each_view(self.starts),
            of_each_view(self.recordings),
            None if self.labels is None else self.labels[rows],
            self.generator,
        )
