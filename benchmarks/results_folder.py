"""A name and figures in, a file in ``benchmarks/results`` with date, commit and machine out."""

import json
from pathlib import Path
from typing import Any

from tsclr.runs import circumstances

RESULTS = Path(__file__).parent / "results"


def keep(name: str, figures: dict[str, Any]) -> Path:
    """Write figures beside the circumstances under which they were measured.

    Parameters
    ----------
    name : str
        File name without ``.json``.
    figures : dict
        What JSON can hold.
    """
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"circumstances": circumstances()} | figures, indent=1) + "\n")
    return path
