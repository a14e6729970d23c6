"""A pipeline of views in, a ranking of its views and pairs of views out, without a label read.

Each candidate is pretrained for a short while, and its representations of validation subjects are
judged. Candidates are ranked by the effective rank of these representations: a view that leaves an
easy way to recognise the positive lets the encoder live on few directions, and so does one that
destroys what windows differ in. The other scores are told beside it and not ranked by: they
reward an encoder that keeps how the device hangs on its wearer, which all neighbours in time share.

Held against labels (``benchmarks/advisor.py``) the ranking finds the view that matters and puts
harmful ones low; the order of candidates that differ little is not to be relied on.
"""

import hashlib
import itertools
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from tsclr.augment import Augmentation
from tsclr.data.settings import Data
from tsclr.data.splits import Split
from tsclr.data.store import Store
from tsclr.encoders import Encoder
from tsclr.explore.judge import LabelFreeScorer
from tsclr.objectives import Objective
from tsclr.pairs import Pairing
from tsclr.specs import spec_of
from tsclr.train.pretrain import pretrain
from tsclr.train.settings import Training

T = TypeVar("T")

SCORE = "effective_rank"
"""What candidates are ranked by; more is better."""
NONE = "no view"
EPOCHS = 3
LARGEST_EPOCH = 10_000
"""Windows of an epoch of a short run, at most."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Advice:
    """A ranking of views, and what to make of it.

    Parameters
    ----------
    table : DataFrame
        A row for each candidate, best first: views, effective_rank, alignment, uniformity,
        neighbour_agreement (means over seeds) and seconds of pretraining (over all seeds).
    noise : float or None
        Standard error of the effective rank of a candidate, pooled over candidates; none from a
        single seed.
    """

    table: pd.DataFrame
    noise: float | None

    @property
    def recommendation(self) -> str:
        """One sentence: the best candidate, and which others chance may have put below it."""
        ranks = dict(zip(self.table["views"], self.table[SCORE], strict=True))
        best = next(iter(ranks))
        plain = "" if best == NONE else f", {ranks[NONE]:.1f} without any view"
        return f"start with {best}: effective rank {ranks[best]:.1f}{plain}; {self._doubt()}"

    def level(self) -> list[str]:
        """Views that lie within twice the standard error of a difference from the best."""
        if self.noise is None:
            return []
        behind = self.table[SCORE].iloc[0] - self.table[SCORE]
        return self.table["views"][behind <= 2 * math.sqrt(2) * self.noise].tolist()[1:]

    def _doubt(self) -> str:
        """How sure the first place is."""
        if self.noise is None:
            return "a single seed does not tell how much of this is chance, two or more do"
        if not self.level():
            return "every other candidate lies below it by more than the noise between seeds"
        return f"within the noise between seeds, as good: {', '.join(self.level())}"


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

    No label and no test subject is looked at. A run that `out` holds already is not made again, so
    an interrupted advice goes on where it stopped.

    Parameters
    ----------
    data, encoder, objective, pairing
        As `pretrain` takes them.
    views : list of Augmentation, or dict of such lists
        The pipeline to choose from; of several pipelines, what is in any of them. A candidate is
        for both views.
    training : Training
        Settings of the optimiser; an epoch is cut to 10,000 windows.
    out : Path
        Folder for the runs, one for each candidate and seed.
    epochs : int
        Length of a run.
    seeds : int
        Runs for each candidate, from ``training.seed`` on; two or more tell the noise.
    also : sequence of pipelines
        Further candidates.

    Returns
    -------
    Advice
        The ranking and its noise.

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
    steps = [*itertools.chain(*views.values())] if isinstance(views, dict) else views
    tried = candidates(steps, also)
    if len(tried) < 2:
        raise ValueError("there is no view to advise on: name some in the config under `views`")
    data = _OpenedOnce(**vars(data))
    store, split = data.open()
    judged = LabelFreeScorer.drawn(data.windows(store, split.validation))
    size = min(training.windows_per_epoch or LARGEST_EPOCH, LARGEST_EPOCH)
    rows = []
    for (name, chosen), number in itertools.product(tried.items(), range(seeds)):
        short = replace(
            training, epochs=epochs, windows_per_epoch=size, seed=training.seed + number
        )
        log.info("%s, seed %d: run %d of %d", name, short.seed, len(rows) + 1, len(tried) * seeds)
        folder = run_folder(out, chosen, short.seed)
        run = pretrain(data, encoder, objective, chosen, pairing, short, folder, resume=True)
        rows.append({"views": name} | judged.scores(run))
    return ranked(pd.DataFrame(rows))


def candidates(
    views: Sequence[Augmentation], also: Sequence[Sequence[Augmentation]] = ()
) -> dict[str, list[Augmentation]]:
    """No view, each view, each pair in the order of the pipeline, then `also`, all by name.

    A name tells the settings where the classes alone would not tell two candidates apart.

    Parameters
    ----------
    views : sequence of Augmentation
        A pipeline.
    also : sequence of pipelines
        Further candidates.

    Examples
    --------
    >>> from tsclr.augment import Crop, Jitter
    >>> list(candidates([Crop(), Jitter()], also=[[Jitter(sd=0.5)]]))
    ['no view', 'Crop', 'Jitter(sd=0.05, p=1.0)', 'Crop + Jitter', 'Jitter(sd=0.5, p=1.0)']
    """
    steps = _unique(views)
    single = [[], *([view] for view in steps)]
    tried = _unique([*single, *map(list, itertools.combinations(steps, 2)), *map(list, also)])
    short = [_name(each) for each in tried]
    return {
        name if short.count(name) == 1 else _long_name(each): each
        for name, each in zip(short, tried, strict=True)
    }


def run_folder(out: Path, views: Sequence[Augmentation], seed: int) -> Path:
    """Where the run of a candidate lies: other settings of a view, another folder.

    Parameters
    ----------
    out : Path
        Folder of the advice.
    views : sequence of Augmentation
        The candidate.
    seed : int
        Of the run.
    """
    digest = hashlib.sha256(json.dumps(spec_of(views)).encode()).hexdigest()[:8]
    classes = "+".join(type(view).__name__ for view in views) or "none"
    return out / f"{classes}-{digest}" / str(seed)


def ranked(scores: pd.DataFrame) -> Advice:
    """Candidates in order of their mean score, and the noise of that mean.

    Parameters
    ----------
    scores : DataFrame
        A row for each candidate and seed, as `LabelFreeScorer.scores` gives it, with the
        name in ``views``.
    """
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


class _OpenedOnce(Data):
    """Data that the runs of an advice share instead of reading an archive each."""

    _opened: tuple[Store, Split] | None = None

    def open(self) -> tuple[Store, Split]:
        """The store, and who is trained on; read at the first call."""
        if self._opened is None:
            self._opened = super().open()
        return self._opened


def _unique(described: Sequence[T]) -> list[T]:
    """Leave out what has the settings of one before it."""
    return list({json.dumps(spec_of(each)): each for each in described}.values())


def _name(views: Sequence[Augmentation]) -> str:
    """Classes of a candidate."""
    return " + ".join(type(view).__name__ for view in views) or NONE


def _long_name(views: Sequence[Augmentation]) -> str:
    """Classes and settings of a candidate."""
    told = []
    for view in views:
        arguments = spec_of(view)
        name = arguments.pop("class")
        told.append(f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())})")
    return " + ".join(told)
