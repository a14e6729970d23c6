"""A folder of runs in, a table and curves of their metrics out."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from tsclr import report
from tsclr.embed.checkpoint import FILE, Checkpoint
from tsclr.train.monitor import has_collapsed, is_over
from tsclr.train.runs import environment_text
from tsclr.train.settings import Training

SHOWN = ("loss", "effective_rank", "alignment", "uniformity", "subject_shortcut")
"""Metrics of the last epoch in the table."""
FIELDS = tuple(Training.__dataclass_fields__)
"""Training settings of this version; others in a run of another version are ignored."""

log = logging.getLogger(__name__)


def find_runs(folder: Path) -> dict[str, dict[str, Any]]:
    """Settings and metrics of every run in a folder, by the path of the run in it.

    ``FileNotFoundError`` if there is none.
    """
    runs = {}
    for file in sorted(folder.rglob(FILE)):
        try:
            settings = Checkpoint.load(file).settings
        except ValueError as error:
            log.warning("ignored: %s", error)
            continue
        name = str(file.parent.relative_to(folder))
        if "metrics" in settings:
            runs[name if name != "." else folder.resolve().name] = settings
        else:
            log.warning("ignored: %s is not a run, it has no metrics", file)
    if not runs:
        raise FileNotFoundError(
            f"no run in {folder}: pass the --out folder of `tsclr pretrain`, or a folder above it"
        )
    return runs


def compare(runs: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """A row for each run: data, encoder, objective, state and the metrics of the last epoch."""
    return pd.DataFrame([_row(name, settings) for name, settings in runs.items()])


def _row(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    metrics = settings["metrics"]
    fields = {key: value for key, value in settings["training"].items() if key in FIELDS}
    last = metrics[-1] if metrics else {}
    seconds = sum(row["seconds"] for row in metrics)
    return {
        "run": name,
        "data": Path(settings["data"]["source"]).name,
        "encoder": settings["encoder"]["class"],
        "objective": settings["objective"]["class"],
        "epochs": len(metrics),
        "state": _state(metrics, Training(**fields)),
        **{metric: last.get(metric) for metric in SHOWN},
        "minutes": seconds / 60,
        "windows_per_second": last.get("windows_per_second"),
    }


def _state(metrics: list[dict[str, Any]], training: Training) -> str:
    """Whether a run is finished."""
    if has_collapsed(metrics, training):
        return "collapsed"
    return "done" if is_over(metrics, training) else "unfinished"


def write_comparison(runs: dict[str, dict[str, Any]], out: Path) -> Path:
    """Write a page that compares runs."""
    curves = [
        pd.DataFrame(settings["metrics"]).assign(run=name)
        for name, settings in runs.items()
        if settings["metrics"]
    ]
    table = compare(runs)
    sections = [report.run_curves(pd.concat(curves))] if curves else []
    sections.append(
        report.Section("Runs", "Metrics of the last epoch of each run.", table=report.Table(table))
    )
    subtitle = f"{len(runs)} runs, compared on validation subjects without labels."
    report.write_report(out, "Comparison of runs", subtitle, sections, environment_text(), {})
    return out
