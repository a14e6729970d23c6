"""``python -m benchmarks.objectives FOLDER``: every objective on HAPT and MotionSense.

Each objective in the preset of its name, or in that of NTXent, all with the same number of windows
seen, are pretrained on the training subjects of each dataset and probed with few labels on its test
subjects: a linear head, five draws, all choices on validation subjects. The untrained encoder and
hand-crafted statistics stand beside them. Nothing was chosen by these scores.

FOLDER keeps the runs and their scores, so that the command goes on where it stopped, and a run that
was pretrained elsewhere is scored here; ``--note`` says so. ``--jobs`` cells run at a time, one
thread each. `benchmarks.objectives_speed` has the time and memory of a step.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from benchmarks.results_folder import keep
from tsclr.bench.probe import METHODS, PRETRAINED, probe, write_scores
from tsclr.config.presets import presets
from tsclr.config.pretraining import Pretraining, read_config
from tsclr.embed.checkpoint import FILE
from tsclr.objectives import Objective
from tsclr.specs import subclasses
from tsclr.train.pretrain import pretrain
from tsclr.train.runs import METRICS

SOURCES = ("hapt", "motionsense")
BUDGETS = ("1", "5", "10", "50", "all")
SEED = 0
EPOCHS, PER_EPOCH = 30, 39 * 256
"""So that every objective sees the same number of windows on either dataset."""
CLASSES = {
    name: cls for name, cls in subclasses(Objective).items() if cls.__module__.startswith("tsclr.")
}
OBJECTIVES = tuple(CLASSES)
WITH_BASELINES = OBJECTIVES[0]
"""The cell that scores the baselines too; they know no objective."""


AS_NTXENT = {"MoCo": 0.2, "DCL": 0.2}
"""Objectives that get the temperature of NTXent in place of their own, by that temperature."""


def shipped(objective: str, source: str = SOURCES[0]) -> Pretraining:
    """An objective in its preset, or in that of NTXent, on a dataset."""
    data = {"data": {"source": source}}
    if objective.lower() in presets():
        return read_config(objective.lower(), data)
    spec = {"class": objective}
    if objective in AS_NTXENT:
        spec["temperature"] = AS_NTXENT[objective]
    return read_config("ntxent", data | {"objective": spec})


def run_of(folder: Path, source: str, objective: str) -> Path:
    """Where the run of a cell lies."""
    return folder / source / f"{objective}-{SEED}"


def train(folder: Path, source: str, objective: str) -> Path:
    """Pretrain the shipped config of an objective on a dataset."""
    given = shipped(objective, source)
    training = replace(
        given.training, epochs=EPOCHS, windows_per_epoch=PER_EPOCH, seed=SEED, min_rank=0.0
    )
    return pretrain(
        given.data,
        given.encoder,
        given.objective,
        given.views,
        given.pairing,
        training,
        run_of(folder, source, objective),
        resume=True,
    )


def fill(folder: Path, source: str, objective: str) -> list[dict[str, Any]]:
    """Rows of a cell, which is pretrained and scored where that was not done."""
    run = run_of(folder, source, objective)
    kept = run / "scores.json"
    if not kept.exists():
        torch.set_num_threads(1)
        train(folder, source, objective)
        methods = METHODS if objective == WITH_BASELINES else (PRETRAINED,)
        found = probe(run / FILE, source, budgets=BUDGETS, heads=["linear"], methods=methods)
        write_scores(kept, found)
    return rows_of(run, source, objective)


def rows_of(run: Path, source: str, objective: str) -> list[dict[str, Any]]:
    """Scores of a cell by budget, beside what the last epoch of the run measured without labels."""
    epochs = [json.loads(line) for line in (run / METRICS).read_text().splitlines()]
    watched = {name: epochs[-1][name] for name in ("effective_rank", "subject_shortcut")}
    watched["pretraining_seconds"] = sum(epoch["seconds"] for epoch in epochs)
    scores = ("budget", "draws", "macro_f1_mean", "macro_f1_sd", "validation_macro_f1")
    return [
        {
            "dataset": source,
            "objective": objective if row["method"] == PRETRAINED else row["method"],
            **{name: row[name] for name in scores},
            **(watched if row["method"] == PRETRAINED else {}),
        }
        for row in json.loads((run / "scores.json").read_text())["rows"]
    ]


def main(folder: Path, jobs: int, note: str | None) -> None:
    """Fill the folder and keep the rows."""
    os.environ["OMP_NUM_THREADS"] = "1"
    cells = [(folder, source, name) for source in SOURCES for name in OBJECTIVES]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        futures = [pool.submit(fill, *cell) for cell in cells]
        rows = [row for future in track(futures, "objectives") for row in future.result()]
    settings = {"seed": SEED, "epochs": EPOCHS, "windows_per_epoch": PER_EPOCH}
    keep("objectives", settings | {"rows": rows}, note)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("benchmarks.objectives")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--note", help="what else was special, kept with the circumstances")
    main(**vars(parser.parse_args()))
