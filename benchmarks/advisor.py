"""``python -m benchmarks.advisor [FOLDER]``: how the label-free ranking of views fares with labels.

On HAPT and MotionSense every candidate of the shipped config, and a few views that ought to harm
one of them, are ranked by `tsclr.explore.advise`. The same short runs are then scored with
labels: macro F1 of the linear probe at 5 and 10 labels a class on validation subjects, every
training subject having its turn. Test subjects are not looked at. What is told is the rank
correlation over candidates. The score that candidates are ranked by was chosen on HAPT; MotionSense
is the check.

FOLDER keeps the runs, so that the command goes on where it stopped.
"""

import math
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track
from scipy.stats import spearmanr
from sklearn.preprocessing import StandardScaler

from benchmarks.results_folder import keep
from tsclr import augment, datasets
from tsclr.augment import Augmentation
from tsclr.config.pretraining import read_config
from tsclr.data.settings import Data
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import encode
from tsclr.embed.fitting import N_PAIRS
from tsclr.encoders import CNN1d
from tsclr.evaluate.heads.linear import LinearHead
from tsclr.evaluate.task import Candidate, Task
from tsclr.explore.advise import NONE, SCORE, Advice, advise, candidates, run_folder
from tsclr.objectives import NTXent
from tsclr.pairs import Neighbour
from tsclr.train.settings import Training

SOURCES = ("hapt", "motionsense")
BUDGETS = (5, 10)
SEEDS, DRAWS, N_RESAMPLES = 2, 20, 2000
SIGNS = {"effective_rank": 1, "alignment": -1, "uniformity": -1, "neighbour_agreement": 1}
"""Scores and whether more or less of them is meant to be better."""
ALSO = (
    augment.MagnitudeWarp(p=0.8),
    augment.Permute(p=0.8),
    augment.TimeMask(p=0.8),
    augment.ChannelDropout(p=0.8),
    augment.Yaw(p=0.8),
    augment.MountFlip(p=0.8),
    augment.Mirror(p=0.5),
    augment.Rotate(spread=math.inf, p=0.8),
)


def pipeline(source: str) -> list[Augmentation]:
    """The views of the preset for a dataset."""
    views = read_config("ntxent", {"data": {"source": source}}).views
    return list(views) if isinstance(views, list) else []


def tried(source: str) -> dict[str, list[Augmentation]]:
    """Every candidate by name, those of the shipped config first."""
    return candidates(pipeline(source), [[view] for view in ALSO])


def advised(source: str, out: Path) -> Advice:
    """Ranking of the views of the shipped config and of `ALSO`."""
    return advise(
        Data(source),
        CNN1d,
        NTXent(temperature=0.2),
        pipeline(source),
        Neighbour(2.56),
        Training(batch_size=256, learning_rate=2e-3),
        out,
        seeds=SEEDS,
        also=[[view] for view in ALSO],
    )


def labelled(source: str, out: Path) -> pd.DataFrame:
    """Macro F1 on validation subjects of every candidate, mean over seeds, by budget."""
    data = Data(source)
    store, split = data.open()
    streams = data.windows(store, split.train)
    drawn = np.sort(np.random.default_rng(0).permutation(len(streams))[:N_PAIRS])
    classes = datasets.find(source)().scored_classes
    windows = Windows.labelled(store, streams.length, streams.length // 2, classes)
    windows = windows.select(~np.isin(windows.subjects, split.test))
    task = Task(windows, tuple(classes), replace(split, test=()), DRAWS)
    rows = []
    runs = [(each, seed) for each in tried(source).items() for seed in range(SEEDS)]
    for (name, views), seed in track(runs, f"labels of {source}"):
        encoder = Checkpoint.load(run_folder(out, views, seed)).encoder()
        moments = StandardScaler().fit(encode(encoder, streams, drawn))
        features = np.asarray(moments.transform(encode(encoder, windows)))
        contender = Candidate(features, LinearHead().classifiers)
        scores = {f"macro_f1_{n}": contender.select(task, n).score for n in BUDGETS}
        rows.append({"views": name} | scores)
    columns = [f"macro_f1_{n}" for n in BUDGETS]
    return pd.DataFrame(rows).groupby("views", as_index=False).agg(dict.fromkeys(columns, "mean"))


def correlations(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Spearman's rank correlation of each score, turned so that more is better, with macro F1."""
    return [
        {"score": score, "labels_per_class": budget}
        | correlation(sign * table[score].to_numpy(), table[f"macro_f1_{budget}"].to_numpy())
        for score, sign in SIGNS.items()
        for budget in BUDGETS
    ]


def correlation(score: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """Rank correlation with its p-value and a percentile bootstrap over candidates."""
    rho, p = np.asarray(spearmanr(score, target))
    generator = np.random.default_rng(0)
    drawn = generator.integers(len(score), size=(N_RESAMPLES, len(score)))
    resampled = [spearmanr(score[row], target[row])[0] for row in drawn]
    return {
        "rho": float(rho),
        "p": float(p),
        "interval": np.percentile(resampled, [2.5, 97.5]).tolist(),
        "n": len(score),
    }


def check(source: str, out: Path) -> dict[str, Any]:
    """Advice and labelled scores of one dataset, side by side."""
    advice = advised(source, out)
    table = advice.table.merge(labelled(source, out), on="views")
    return {
        "recommendation": advice.recommendation,
        "noise": advice.noise,
        "candidates": table.to_dict("records"),
        "spearman": by_group(table, source),
        "gain": {f"macro_f1_{n}": gain(table, f"macro_f1_{n}") for n in BUDGETS},
    }


def by_group(table: pd.DataFrame, source: str) -> dict[str, list[dict[str, Any]]]:
    """Correlations over all candidates, those of the config, and those of it that never rotate.

    The last tell whether the ranking knows more than that rotating is good.
    """
    usual = table[table["views"].isin(list(tried(source))[: len(candidates(pipeline(source)))])]
    unturned = usual[["Rotate" not in views for views in usual["views"]]]
    groups = {"config": usual, "config without Rotate": unturned, "config and others": table}
    return {name: correlations(group) for name, group in groups.items()}


def gain(table: pd.DataFrame, column: str) -> dict[str, float]:
    """Labelled score of the advised candidate, of no view, and of the best in hindsight."""
    by_views = dict(zip(table["views"], table[column], strict=True))
    best = max(by_views.values())
    return {"advised": by_views[table["views"].iloc[0]], "no view": by_views[NONE], "best": best}


def main(folder: Path) -> None:
    """Check both datasets and keep the figures."""
    found = {source: check(source, folder / source) for source in SOURCES}
    for source, figures in found.items():
        print(source, figures["recommendation"], sep=": ")
        print(pd.DataFrame(figures["candidates"]).round(3).to_string(index=False))
        for name, rows in figures["spearman"].items():
            print(name, pd.DataFrame(rows).round(3).to_string(index=False), sep="\n")
    keep("advisor", {"ranked_by": SCORE, "chosen_on": "hapt", "seeds": SEEDS} | found)


if __name__ == "__main__":
    default = Path(tempfile.gettempdir(), "tsclr-advisor")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
