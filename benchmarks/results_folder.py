"""A name and figures in, a file in ``benchmarks/results`` with date, commit and machine out."""

import json
from pathlib import Path
from typing import Any

from tsclr.train.runs import environment

RESULTS = Path(__file__).parent / "results"


def keep(name: str, figures: dict[str, Any], note: str | None = None) -> Path:
    """Write figures beside the circumstances under which they were measured.

    Parameters
    ----------
    name : str
        File name without ``.json``.
    figures : dict
        What JSON can hold.
    note : str, optional
        What the circumstances do not tell, such as another machine that did a part.
    """
    facts = environment() | ({"note": note} if note else {})
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"circumstances": facts} | figures, indent=1) + "\n")
    return path


def kept(name: str) -> dict[str, Any] | None:
    """Figures that `keep` wrote, None where they were not measured yet.

    Parameters
    ----------
    name : str
        File name without ``.json``.
    """
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None
