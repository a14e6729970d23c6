"""Rank the views of a pipeline by short pretraining runs, without reading a label.

Each candidate, a view or a pair of views, is pretrained for a short while, and the features of
validation subjects are scored. Candidates are ranked by the effective rank of these features: a
view that leaves an easy way to recognise the positive lets the encoder use few dimensions, and so
does a view that destroys the differences between windows. The other scores are reported but do not
count for the ranking: they reward an encoder that keeps the orientation of the device, which all
neighbours in time share.

Compared with labels (``benchmarks/advisor.py``), the ranking finds the view that matters and puts
harmful ones low; do not rely on the order of candidates that differ little.
"""

import hashlib
import itertools
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int

from tsclr.augment import Augmentation
from tsclr.data.settings import Data
from tsclr.data.splits import Split
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.diagnostics import neighbour_agreement, pair_diagnostics
from tsclr.embed.encode import encode
from tsclr.encoders import Encoder
from tsclr.explore.describe import call_of
from tsclr.objectives import Objective
from tsclr.pairs import Pairing
from tsclr.specs import spec_of
from tsclr.train.pretrain import pretrain
from tsclr.train.settings import Training

T = TypeVar("T")

SCORE = "effective_rank"
"""What candidates are ranked by; higher is better."""
NONE = "no view"
EPOCHS = 3
LARGEST_EPOCH = 10_000
"""Most windows in an epoch of a short run."""
N_SCORED = 2048
"""Most windows on which a run is scored."""
NEAR = 2
"""Least distance to a neighbour in window lengths; at 2 the two do not touch."""
FAR = 6
"""Distance in window lengths beyond which a window is no neighbour any more."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Advice:
    """A ranking of views and a recommendation.

    `table` has a row for each candidate, best first: views, effective_rank, alignment, uniformity,
    neighbour_agreement (means over seeds) and seconds of pretraining (over all seeds). `noise` is
    the standard error of the effective rank of a candidate, pooled over candidates; None with a
    single seed.
    """

    table: pd.DataFrame
    noise: float | None

    @property
    def recommendation(self) -> str:
        """One sentence: the best candidate, and those that are as good within the noise."""
        ranks = dict(zip(self.table["views"], self.table[SCORE], strict=True))
        best = next(iter(ranks))
        plain = "" if best == NONE else f", {ranks[NONE]:.1f} without any view"
        return f"start with {best}: effective rank {ranks[best]:.1f}{plain}; {self._confidence()}"

    def level(self) -> list[str]:
        """Candidates within twice the standard error of a difference from the best."""
        if self.noise is None:
            return []
        behind = self.table[SCORE].iloc[0] - self.table[SCORE]
        return self.table["views"][behind <= 2 * math.sqrt(2) * self.noise].tolist()[1:]

    def _confidence(self) -> str:
        """How certain it is that the first candidate is the best."""
        if self.noise is None:
            return "one seed cannot show how much of this is chance: use two or more"
        if not self.level():
            return "every other candidate is below it by more than the noise between seeds"
        return f"as good within the noise between seeds: {', '.join(self.level())}"


def advise(
    data: Data,
    encoder: Callable[[int], Encoder],
    objective: Objective,
    views: list[Augmentation] | dict[str, list[Augmentation]],
    pairing: Pairing,
    training: Training,
    out: Path,
    epochs: int = EPOCHS,
    seeds: int = 1,
    also: Sequence[Sequence[Augmentation]] = (),
) -> Advice:
    """Rank the views of a pipeline, each alone and each pair, by short pretraining runs.

    A candidate makes both views of a window; of several pipelines, all views are candidates, and
    the pipelines in `also` are further ones. No label and no test subject is read. Runs of `epochs`
    epochs, of at most 10,000 windows each, go to `out`, one for each candidate and seed from
    ``training.seed`` on; two seeds or more measure the noise. Runs that `out` holds already are
    kept, so an interrupted call continues where it stopped.

    Raises
    ------
    ValueError
        If there is no view or no seed, recordings are too short to hold neighbours, or a run in
        `out` was made with other settings.

    References
    ----------
    Q. Garrido et al., "RankMe: assessing the downstream performance of pretrained self-supervised
    representations by their rank", ICML 2023. There the matrix is not centred, and its rows are
    training images.
    """
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}, it must be at least 1")
    pipeline = [*itertools.chain(*views.values())] if isinstance(views, dict) else views
    by_name = candidates(pipeline, also)
    if len(by_name) < 2:
        raise ValueError("there are no views to rank: name some in the config under `views`")
    data = _OpenedOnce(**vars(data))
    store, split = data.open()
    scorer = LabelFreeScorer.from_windows(data.windows(store, split.validation))
    size = min(training.windows_per_epoch or LARGEST_EPOCH, LARGEST_EPOCH)
    rows = []
    for (name, candidate), offset in itertools.product(by_name.items(), range(seeds)):
        short = replace(
            training, epochs=epochs, windows_per_epoch=size, seed=training.seed + offset
        )
        log.info("%s, seed %d: run %d of %d", name, short.seed, len(rows) + 1, len(by_name) * seeds)
        folder = run_folder(out, candidate, short.seed)
        run = pretrain(data, encoder, objective, candidate, pairing, short, folder, resume=True)
        rows.append({"views": name} | scorer.scores(run))
    return ranked(pd.DataFrame(rows))


def candidates(
    views: Sequence[Augmentation], also: Sequence[Sequence[Augmentation]] = ()
) -> dict[str, list[Augmentation]]:
    """No view, each view, each pair in the order of the pipeline, then `also`, by name.

    A name has the settings of the views where two candidates have the same classes.

    Examples
    --------
    >>> from tsclr.augment import Crop, Jitter
    >>> list(candidates([Crop(), Jitter()], also=[[Jitter(sd=0.5)]]))
    ['no view', 'Crop', 'Jitter(sd=0.05, p=1)', 'Crop + Jitter', 'Jitter(sd=0.5, p=1)']
    """
    views = _unique(views)
    single = [[], *([view] for view in views)]
    pipelines = _unique([*single, *map(list, itertools.combinations(views, 2)), *map(list, also)])
    names = [" + ".join(type(view).__name__ for view in pipeline) or NONE for pipeline in pipelines]
    return {
        name if names.count(name) == 1 else " + ".join(map(call_of, pipeline)): pipeline
        for name, pipeline in zip(names, pipelines, strict=True)
    }


def run_folder(out: Path, views: Sequence[Augmentation], seed: int) -> Path:
    """Folder of the run of a candidate: a different one for other settings of a view."""
    digest = hashlib.sha256(json.dumps(spec_of(views)).encode()).hexdigest()[:8]
    classes = "+".join(type(view).__name__ for view in views) or "none"
    return out / f"{classes}-{digest}" / str(seed)


def ranked(scores: pd.DataFrame) -> Advice:
    """Candidates by their mean score, and the noise of that mean."""
    columns = [name for name in scores.columns if name != "views"]
    how = dict.fromkeys(columns, "mean") | {"seconds": "sum"}
    means_by_views = pd.DataFrame(scores.groupby("views", as_index=False).agg(how))
    table = means_by_views.sort_values(SCORE, ascending=False, ignore_index=True)
    n_spare = len(scores) - len(table)
    if not n_spare:
        return Advice(table, None)
    means = dict(zip(table["views"], table[SCORE], strict=True))
    residuals = scores[SCORE].to_numpy() - [means[name] for name in scores["views"]]
    variance = float(residuals @ residuals) / n_spare
    return Advice(table, math.sqrt(variance * len(table) / len(scores)))


@dataclass(frozen=True)
class LabelFreeScorer:
    """Scores of runs on windows of validation subjects and on their neighbours in time.

    `first` are indices of `windows`, whose labels are not read, and `second` those of the windows
    that follow `NEAR` window lengths later in the recording.
    """

    windows: Windows
    first: Int[np.ndarray, " N"]
    second: Int[np.ndarray, " N"]

    @classmethod
    def from_windows(cls, windows: Windows) -> "LabelFreeScorer":
        """Take up to `N_SCORED` windows that have a neighbour, the same ones at every call.

        ``ValueError`` if no recording holds two windows that far apart.
        """
        starts, rows = windows.starts, windows.rows()
        earliest = starts + NEAR * windows.length
        second = np.minimum(np.searchsorted(starts, earliest), len(starts) - 1)
        late = starts[second] - earliest
        first = np.flatnonzero((rows[second] == rows) & (late >= 0) & (late < windows.length))
        if not len(first):
            raise ValueError(
                "no recording of a validation subject holds two windows that do not touch: "
                "shorten data.window"
            )
        first = np.sort(np.random.default_rng(0).permutation(first)[:N_SCORED])
        return cls(windows, first, second[first])

    def compared(self) -> Bool[np.ndarray, "N N"]:
        """Which windows a neighbour competes with: of the same subject, far away in time."""
        starts, rows = self.windows.starts, self.windows.rows()
        subjects = self.windows.subjects
        distance = np.abs(starts[self.first][:, None] - starts[self.second])
        apart = distance > FAR * self.windows.length
        apart |= rows[self.first][:, None] != rows[self.second]
        return apart & (subjects[self.first][:, None] == subjects[self.second])

    def scores(self, run: Path) -> dict[str, Any]:
        """Scores of the features of a run on windows without any view, and seconds of training."""
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


class _OpenedOnce(Data):
    """Data that all runs share, so that an archive is read once."""

    _opened: tuple[Store, Split] | None = None

    def open(self) -> tuple[Store, Split]:
        """The store and the split, read at the first call."""
        if self._opened is None:
            self._opened = super().open()
        return self._opened


def _unique(items: Sequence[T]) -> list[T]:
    """Leave out items with the settings of an earlier one."""
    return list({json.dumps(spec_of(item)): item for item in items}.values())
