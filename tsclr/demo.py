"""A seed in, the whole path out: simulated raw logs, store, run, scores, vectors, report.html."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from rich.progress import track
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
from tsclr.embed.embedder import Embedder, write_vectors
from tsclr.encoders import CNN1d
from tsclr.files import replacing
from tsclr.objectives import NTXent
from tsclr.pairs import Neighbour
from tsclr.readers import Tabular
from tsclr.train.pretrain import pretrain
from tsclr.train.runs import CONFIG, METRICS, environment_text
from tsclr.train.settings import Training

LOGS = {
    "columns": {"acc_x": "ax", "acc_y": "ay", "acc_z": "az"}
    | {"gyr_x": "gx", "gyr_y": "gy", "gyr_z": "gz"},
    "units": {"acc": "m/s²", "gyr": "deg/s"},
    "time": "time",
    "label": "activity",
    "pattern": r"subject(?P<subject>\d+)_phone",
}
"""How the simulated logger names things: the arguments of `Tabular`."""

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
    """Walk the whole path on simulated logs; run again, it goes on where it stopped.

    Parameters
    ----------
    out : Path
        Folder for everything.
    seed : int
        Seed of the simulation and of training.
    n_subjects : int
        Simulated people.
    minutes : float
        Minutes of each.
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
        temporary.write_text(yaml.safe_dump(LOGS, allow_unicode=True, sort_keys=False))
    log.info(
        "2/5  tsclr ingest %s --config %s --rate %g --out %s",
        out / "logs",
        out / "logs.yaml",
        RATE,
        out / "store",
    )
    store = ingest(Tabular(**LOGS), track(files, "ingesting"), out / "store", RATE)
    log.info("3/5  tsclr pretrain %s --resume", out / "run" / CONFIG)
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
    """Put what the demo made onto one page.

    Parameters
    ----------
    out : Path
        Folder of the demo.
    store : Store
        Simulated recordings.
    scores : dict
        As `probe` gives them.

    Returns
    -------
    Path
        The report.
    """
    results = pd.DataFrame(scores["rows"])
    subjects = scores["units"][0]["split"]["test"]
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
        f"Contrastive pretraining on simulated raw logs of {len(store.subjects)} people, then an "
        f"activity classifier from a few labels, tested on {len(subjects)} others.",
        sections,
        environment_text() | {"labelled training windows": f"{scores['n_train_windows']:,}"},
        key_figures(scores["rows"], metrics),
    )
    return out / "report.html"


def key_figures(results: list[dict[str, Any]], metrics: pd.DataFrame) -> dict[str, str]:
    """What a reader should remember.

    Parameters
    ----------
    results : list of dict
        Rows of `probe`.
    metrics : DataFrame
        A row for each epoch.
    """
    ours, untrained = _row(results, PRETRAINED), _row(results, RANDOM)
    gain = ours["macro_f1_mean"] - untrained["macro_f1_mean"]
    return {
        f"macro F1 at {FEW} labels a class, frozen encoder": (
            f"{ours['macro_f1_mean']:.3f} ± {ours['macro_f1_sd']:.3f}"
        ),
        "above the same encoder, untrained": f"{gain:+.3f}",
        "pretraining": f"{metrics['seconds'].sum():.0f} s",
    }


def _row(results: list[dict[str, Any]], method: str) -> dict[str, Any]:
    """Scores of a method with few labels."""
    return next(row for row in results if (row["method"], row["budget"]) == (method, FEW))


def views_section(store: Store) -> report.Section:
    """A window of walking and two views of it."""
    windows = Windows.labelled(store, 128, 64, ["walking"])
    window = windows.__getitems__([len(windows) // 2])
    view = Chain(VIEWS)
    first, second = (view(window, torch.Generator().manual_seed(seed))[0] for seed in (0, 1))
    return report.two_views(
        window[0].numpy(), first.numpy(), second.numpy(), store.channels, store.sample_rate
    )


def vectors_section(vectors: pd.DataFrame, subjects: list[str]) -> report.Section:
    """The labelled windows of the test subjects on the two main axes of their vectors."""
    shown = vectors.loc[(vectors["label"] != "") & vectors["subject"].isin(subjects)]
    shown = shown.sample(min(N_POINTS, len(shown)), random_state=0)
    values = shown.filter(regex=r"^v\d+$").to_numpy()
    points = PCA(2, random_state=0).fit_transform(
        (values - values.mean(0)) / values.std(0).clip(1e-6)
    )
    return report.embedding_scatter(
        points, shown["label"].to_numpy(str), shown["subject"].to_numpy(str)
    )
