"""``python -m benchmarks.objectives FOLDER [JOBS]``: every objective on HAPT and MotionSense.

The shipped configs ``configs/<objective>_hapt.yaml``, all with the same number of windows seen,
are pretrained on the training subjects of each dataset and probed with few labels on its test
subjects: a linear head, five draws, all choices on validation subjects. The untrained encoder and
hand-crafted statistics stand beside them. Nothing was chosen by these scores.

FOLDER keeps the runs and their scores, so that the command goes on where it stopped; JOBS cells run
at a time, one thread each.
"""

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.progress import track

from benchmarks.results_folder import keep
from tsclr.cli import parse_pretraining
from tsclr.files import replacing
from tsclr.objectives import Objective
from tsclr.parser import Parser
from tsclr.pretrain import pretrain
from tsclr.probe import METHODS, PRETRAINED, probe
from tsclr.specs import subclasses

SOURCES = ("hapt", "motionsense")
BUDGETS = ("1", "5", "10", "50", "all")
EPOCHS, PER_EPOCH = 30, 39 * 256
"""So that every objective sees the same number of windows on either dataset."""
OBJECTIVES = tuple(subclasses(Objective))


def train_cell(folder: Path, source: str, objective: str, seed: int) -> Path:
    """Pretrain the shipped config of an objective on a dataset."""
    parser = Parser()
    parser.add_argument("--config", action="config")
    config = f"configs/{objective.lower()}_hapt.yaml"
    given = parse_pretraining(parser, [config], skip={"resume", "out"})
    training = replace(
        given.training, epochs=EPOCHS, windows_per_epoch=PER_EPOCH, seed=seed, min_rank=0.0
    )
    return pretrain(
        replace(given.data, source=source), given.encoder, given.objective, given.views,
        given.pairing, training, folder / source / f"{objective}-{seed}", resume=True,
    )  # fmt: skip


def score_cell(folder: Path, source: str, objective: str, seed: int) -> list[dict[str, Any]]:
    """Scores of a run; of the baselines too beside the first objective."""
    run = folder / source / f"{objective}-{seed}"
    kept = run / "scores.json"
    if not kept.exists():
        torch.set_num_threads(1)
        train_cell(folder, source, objective, seed)
        methods = METHODS if objective == OBJECTIVES[0] else (PRETRAINED,)
        found = probe(run, source, budgets=BUDGETS, heads=["linear"], methods=methods)
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(found))
    found = json.loads(kept.read_text())
    metrics = pd.read_json(run / "metrics.jsonl", lines=True)
    last = metrics.iloc[-1]
    return [
        {
            "dataset": source,
            "objective": objective if row["method"] == PRETRAINED else row["method"],
            "seed": seed,
            **{name: row[name] for name in ("budget", "macro_f1_mean", "macro_f1_sd")},
            "validation_macro_f1": row["validation_macro_f1"],
            "effective_rank": float(last["effective_rank"]),
            "subject_shortcut": float(last["subject_shortcut"]),
            "seconds": float(metrics["seconds"].sum()),
        }
        for row in found["results"]
    ]


def table(rows: pd.DataFrame, source: str) -> str:
    """Macro F1 by labels a class, best at five labels first."""
    own = rows[rows["dataset"] == source]
    mean = own.pivot_table(index="objective", columns="budget", values="macro_f1_mean")
    spread = own.pivot_table(index="objective", columns="budget", values="macro_f1_sd")
    lines = [f"| objective | {' | '.join(BUDGETS)} |", f"|---|{'---|' * len(BUDGETS)}"]
    for name in mean.sort_values("5", ascending=False).index:
        cells = [
            f"{mean.loc[name, n]:.3f}" + (f" ± {spread.loc[name, n]:.2f}" if n != "all" else "")
            for n in BUDGETS
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(folder: Path, jobs: int) -> None:
    """Fill the folder, keep the rows, write the page."""
    os.environ["OMP_NUM_THREADS"] = "1"
    cells = [(folder, source, name, 0) for source in SOURCES for name in OBJECTIVES]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        futures = [pool.submit(score_cell, *cell) for cell in cells]
        rows = [row for future in track(futures, "objectives") for row in future.result()]
    keep("objectives", {"rows": rows})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
