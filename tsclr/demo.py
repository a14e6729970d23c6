"""The whole path on simulated data: raw logs, store, run, scores, vectors, report.html."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.decomposition import PCA

from tsclr import report
from tsclr.augment import Augmentation, Chain, Crop, Jitter, Rotate, Scale, TimeWarp
from tsclr.bench.probe import HAND, PRETRAINED, RANDOM, probe, write_scores
from tsclr.data.ingest import ingest
from tsclr.data.settings import Data
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.datasets import Synthetic
from tsclr.embed.checkpoint import FILE
from tsclr.embed.embedder import Embedder
from tsclr.embed.vectors import write_vectors
from tsclr.encoders import CNN1d
from tsclr.files import replacing
from tsclr.objectives import NTXent
from tsclr.pairs import Neighbour
from tsclr.train.pretrain import pretrain
from tsclr.train.runs import METRICS, environment_text
from tsclr.train.settings import Training

LOGS = {
    "columns": {"acc_x": "ax", "acc_y": "ay", "acc_z": "az"}
    | {"gyr_x": "gx", "gyr_y": "gy", "gyr_z": "gz"},
    "units": {"acc": "m/s²", "gyr": "deg/s"},
    "time": "time",
    "label": "activity",
    "pattern": r"subject(?P<subject>\d+)_phone",
}
"""Columns and units of the simulated logs: the arguments of `Tabular`."""

VIEWS: list[Augmentation] = [
    Crop(min_fraction=0.6, p=0.8),
    TimeWarp(strength=0.2, p=0.8),
    Scale(sd=0.1, p=0.8),
    Rotate(spread=0.5, p=0.8),
    Jitter(sd=0.02, p=0.8),
]
RATE = 50.0
FEW = "5"
N_POINTS = 1500

log = logging.getLogger(__name__)


def demo(
    out: Path, seed: int = 0, n_subjects: int = 16, minutes: float = 10, epochs: int = 15
) -> Path:
    """Run the whole path on simulated logs; a second call continues where the first stopped.

    Parameters
    ----------
    out : Path
        Folder for all results.
    seed : int
        Seed of the simulation and of training.
    n_subjects : int
        Simulated subjects.
    minutes : float
        Minutes of each subject.
    epochs : int
        Passes over the training windows.

    Returns
    -------
    Path
        The report.
    """
    simulation = Synthetic(n_subjects=n_subjects, minutes=minutes, seed=seed)
    log.info("1/5  simulated raw logs: %s", out / "logs")
    files = simulation.write_logs(out / "logs")
    with replacing(out / "logs.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(LOGS, allow_unicode=True, sort_keys=False), "utf-8")
    log.info(
        "2/5  tsclr ingest %s --config %s --rate %g --out %s",
        out / "logs",
        out / "logs.yaml",
        RATE,
        out / "store",
    )
    store = ingest(files, out / "store", rate=RATE, **LOGS)
    log.info("3/5  tsclr pretrain --resume %s", out / "run")
    run = pretrain(
        Data(str(out / "store"), test=list(simulation.test_subjects)),
        CNN1d,
        NTXent(),
        VIEWS,
        Neighbour(),
        Training(epochs=epochs, learning_rate=2e-3, seed=seed),
        out / "run",
        resume=(out / "run" / FILE).exists(),
    )
    log.info("4/5  tsclr probe %s --heads linear", run)
    scores = probe(run, heads=["linear"], seed=seed)
    write_scores(out / "scores.json", scores)
    log.info("5/5  tsclr embed %s %s --out %s", run, out / "store", out / "vectors.parquet")
    embedder = Embedder.load(run)
    write_vectors(embedder, store, embedder.input_spec_.length, out / "vectors.parquet")
    return write(out, store, scores)


def write(out: Path, store: Store, scores: dict[str, Any]) -> Path:
    """Write the report from the results in the folder of the demo."""
    subjects = scores["units"][0]["split"]["test"]
    n_test = len(subjects)
    n_train = len(store.subjects) - n_test
    results = pd.DataFrame(scores["rows"])
    metrics = pd.read_json(out / "run" / METRICS, lines=True)
    sections = [
        report.budget_curve(results, [RANDOM, HAND]),
        report.results_table(results),
        report.training_curves(metrics),
        views_section(store),
        vectors_section(pd.read_parquet(out / "vectors.parquet"), subjects),
        report.confusion(
            np.array(_row(scores["rows"], PRETRAINED)["confusion"]), scores["classes"]
        ),
    ]
    report.write_report(
        out / "report.html",
        "tsclr demo",
        f"Contrastive pretraining on simulated raw logs of {n_train} subjects, "
        f"then a classifier trained on a few labels and tested on {n_test} other subjects.",
        sections,
        environment_text() | {"labelled training windows": f"{scores['n_train_windows']:,}"},
        key_figures(scores["rows"], metrics),
    )
    return out / "report.html"


def key_figures(results: list[dict[str, Any]], metrics: pd.DataFrame) -> dict[str, str]:
    """Numbers for the top of the report, from rows of `probe` and metrics by epoch."""
    pretrained, untrained = _row(results, PRETRAINED), _row(results, RANDOM)
    gain = pretrained["macro_f1_mean"] - untrained["macro_f1_mean"]
    return {
        f"macro F1 with {FEW} labels per class, ± SD over label draws": (
            f"{pretrained['macro_f1_mean']:.3f} ± {pretrained['macro_f1_sd']:.3f}"
        ),
        "gain over the same encoder without pretraining": f"{gain:+.3f}",
        "pretraining time": f"{metrics['seconds'].sum():.0f} s",
    }


def _row(results: list[dict[str, Any]], method: str) -> dict[str, Any]:
    """Scores of a method at the budget of the key figures."""
    return next(row for row in results if (row["method"], row["budget"]) == (method, FEW))


def views_section(store: Store) -> report.Section:
    """A window of walking and two views of it."""
    windows = Windows.labelled(store, 128, 64, ["walking"])
    window = windows.take([len(windows) // 2])
    view = Chain(VIEWS)
    first, second = (view(window, torch.Generator().manual_seed(seed))[0] for seed in (0, 1))
    return report.two_views(
        window[0].numpy(), first.numpy(), second.numpy(), store.channels, store.sample_rate
    )


def vectors_section(vectors: pd.DataFrame, subjects: list[str]) -> report.Section:
    """Vectors of labelled windows of test subjects on their two principal components."""
    shown = vectors.loc[(vectors["label"] != "") & vectors["subject"].isin(subjects)]
    shown = shown.sample(min(N_POINTS, len(shown)), random_state=0)
    values = shown.filter(regex=r"^v\d+$").to_numpy()
    points = PCA(2, random_state=0).fit_transform(
        (values - values.mean(0)) / values.std(0).clip(1e-6)
    )
    return report.embedding_scatter(
        points, shown["label"].to_numpy(str), shown["subject"].to_numpy(str)
    )
