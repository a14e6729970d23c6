"""A folder of runs in, a table of them and their curves out."""

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
"""Metrics of the last epoch that the table tells."""
FIELDS = tuple(Training.__dataclass_fields__)
"""Settings of this version; those of a run by another one are passed over."""

log = logging.getLogger(__name__)


def find_runs(folder: Path) -> dict[str, dict[str, Any]]:
    """Settings and metrics of every run in a folder and below, by its place in it.

    Parameters
    ----------
    folder : Path
        A run folder, or one that holds some at any depth. Damaged ones, and encoders saved
        without a run, are told and left out.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    found = {}
    for file in sorted(folder.rglob(FILE)):
        try:
            settings = Checkpoint.load(file).settings
        except ValueError as error:
            log.warning("left out: %s", error)
            continue
        name = str(file.parent.relative_to(folder))
        if "metrics" in settings:
            found[name if name != "." else folder.resolve().name] = settings
        else:
            log.warning("left out: %s is no run, it has no metrics", file)
    if not found:
        raise FileNotFoundError(
            f"no run in {folder}: name the folder that `tsclr pretrain --out` wrote, or one above"
        )
    return found


def compare(runs: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """A row for each run: what was trained on what, how far it is, and how its last epoch went.

    Parameters
    ----------
    runs : dict
        As `find_runs` gives them.
    """
    return pd.DataFrame([_row(name, settings) for name, settings in runs.items()])


def _row(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    metrics = settings["metrics"]
    known = {key: value for key, value in settings["training"].items() if key in FIELDS}
    last = metrics[-1] if metrics else {}
    seconds = sum(row["seconds"] for row in metrics)
    return {
        "run": name,
        "data": Path(settings["data"]["source"]).name,
        "encoder": settings["encoder"]["class"],
        "objective": settings["objective"]["class"],
        "epochs": len(metrics),
        "state": _state(metrics, Training(**known)),
        **{metric: last.get(metric) for metric in SHOWN},
        "minutes": seconds / 60,
        "windows_per_second": last.get("windows_per_second"),
    }


def _state(metrics: list[dict[str, Any]], training: Training) -> str:
    """Whether a run has ended, and how."""
    if has_collapsed(metrics, training):
        return "collapsed"
    return "done" if is_over(metrics, training) else "unfinished"


def write_comparison(runs: dict[str, dict[str, Any]], out: Path) -> Path:
    """Draw the runs beside each other on one page.

    Parameters
    ----------
    runs : dict
        As `find_runs` gives them.
    out : Path
        HTML file.
    """
    curves = [
        pd.DataFrame(settings["metrics"]).assign(run=name)
        for name, settings in runs.items()
        if settings["metrics"]
    ]
    table = compare(runs)
    sections = [report.run_curves(pd.concat(curves))] if curves else []
    sections.append(report.Section("Runs", "The last epoch of each.", table=report.Table(table)))
    subtitle = f"{len(runs)} runs, judged on validation subjects without labels."
    report.write_report(out, "Runs compared", subtitle, sections, environment_text(), {})
    return out
