"""The cells of a row in, what was chosen on validation subjects and how far to trust it out."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

log = logging.getLogger(__name__)


def choices(cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What was chosen in each unit of a row, for the row.

    ``ends`` holds, for the units where there are any, the settings chosen at an end of their grid,
    and ``at_grid_end`` the number of these units. ``validation_pretrained`` of the
    ``validation_subjects`` have unlabelled streams that the method was pretrained on, so that their
    score may be too high.

    Parameters
    ----------
    cells : mapping of str to mapping
        Content of a cell by the fold and seed of its unit.
    """
    scores = [cell["validation_macro_f1"] for cell in cells.values()]
    ends = {unit: cell["ends"] for unit, cell in cells.items() if cell["ends"]}
    validation = [pair for cell in cells.values() for pair in cell["validation"].items()]
    return {
        "chosen": {unit: cell["chosen"] for unit, cell in cells.items()},
        "ends": ends,
        "at_grid_end": len(ends),
        "validation_macro_f1": None if None in scores else float(np.mean(scores)),
        "validation_subjects": len({subject for subject, _ in validation}),
        "validation_pretrained": len({subject for subject, seen in validation if seen}),
    }


def validation_subjects(provenance: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Who was chosen on, as hashes, and whether the method was pretrained on their streams.

    Examples
    --------
    >>> rows = [("choice", "a"), ("choice", "b"), ("pretraining", "b"), ("pretraining", "c")]
    >>> validation_subjects({"role": role, "subject": subject} for role, subject in rows)
    {'a': False, 'b': True}
    """
    roles: dict[str, set[str]] = {}
    for row in provenance:
        roles.setdefault(row["role"], set()).add(row["subject"])
    pretrained = roles.get("pretraining", set())
    return {subject: subject in pretrained for subject in sorted(roles.get("choice", set()))}


def warn_of_ends(rows: Sequence[Mapping[str, Any]]) -> None:
    """Log a warning for each method and head whose choices lie at an end of their grid."""
    chosen = Counter((row["method"], row["head"]) for row in rows for _ in row["chosen"])
    at_end: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        for named in row["ends"].values():
            at_end.setdefault((row["method"], row["head"]), Counter()).update(set(named))
    for (method, head), named in at_end.items():
        settings = "; ".join(
            f"{setting} ({n} time{'s' * (n != 1)})" for setting, n in named.most_common()
        )
        log.warning(
            "%s, head %s: of %d choices some lie at an end of what was tried: %s. A better setting "
            "may lie beyond it",
            method,
            head,
            chosen[method, head],
            settings,
        )
