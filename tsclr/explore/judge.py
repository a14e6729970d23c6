"""A run and unlabelled windows in, scores of its representations out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int

from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.diagnostics import neighbour_agreement, pair_diagnostics
from tsclr.embed.encode import encode

N_JUDGED = 2048
"""Windows on which a run is judged, at most."""
NEAR = 2
"""How far away a neighbour starts, in windows; so the two do not touch."""
FAR = 6
"""Beyond how many windows another one is no neighbour any more."""


@dataclass(frozen=True)
class LabelFreeScorer:
    """Windows of validation subjects and their neighbours in time, on which runs are judged.

    Parameters
    ----------
    windows : Windows
        Unlabelled.
    first, second : (N,) int
        Windows, and those that follow them two window lengths later in the same stretch.
    """

    windows: Windows
    first: Int[np.ndarray, " N"]
    second: Int[np.ndarray, " N"]

    @classmethod
    def drawn(cls, windows: Windows) -> "LabelFreeScorer":
        """Up to `N_JUDGED` windows that have a neighbour, always the same.

        Parameters
        ----------
        windows : Windows
            Over the streams of validation subjects.

        Raises
        ------
        ValueError
            If no stretch holds two windows that far apart.
        """
        starts, rows = windows.starts, windows.rows()
        wanted = starts + NEAR * windows.length
        second = np.minimum(np.searchsorted(starts, wanted), len(starts) - 1)
        late = starts[second] - wanted
        first = np.flatnonzero((rows[second] == rows) & (late >= 0) & (late < windows.length))
        if not len(first):
            raise ValueError(
                "no recording of a validation subject holds two windows that do not touch: "
                "shorten data.window"
            )
        first = np.sort(np.random.default_rng(0).permutation(first)[:N_JUDGED])
        return cls(windows, first, second[first])

    def compared(self) -> Bool[np.ndarray, "N N"]:
        """Which windows a neighbour has to beat: of the same wearer, at another time."""
        starts, rows = self.windows.starts, self.windows.rows()
        subjects = self.windows.subjects
        distance = np.abs(starts[self.first][:, None] - starts[self.second])
        apart = distance > FAR * self.windows.length
        apart |= rows[self.first][:, None] != rows[self.second]
        return apart & (subjects[self.first][:, None] == subjects[self.second])

    def scores(self, run: Path) -> dict[str, Any]:
        """Scores of the encoder of a run on windows as they are, without any view.

        Parameters
        ----------
        run : Path
            Run folder.
        """
        checkpoint = Checkpoint.load(run)
        encoder = checkpoint.encoder()
        h1, h2 = (
            torch.from_numpy(encode(encoder, self.windows, index)).double()
            for index in (self.first, self.second)
        )
        compared, centre = torch.from_numpy(self.compared()), h1.mean(0)
        return {
            **pair_diagnostics(h1, h2),
            "neighbour_agreement": float(neighbour_agreement(h1 - centre, h2 - centre, compared)),
            "seconds": sum(epoch["seconds"] for epoch in checkpoint.settings["metrics"]),
        }
