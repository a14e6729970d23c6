"""Rows in, a table in Markdown out; a score with its spread in, a cell out."""

from collections.abc import Sequence
from typing import Any

from tsclr.report.scores import AT_END

NOTHING = "not measured yet"
"""What stands in the place of a table whose results are not there."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], n_texts: int = 1) -> str:
    """A table whose first columns are text and whose others are numbers."""
    rule = ["---"] * n_texts + ["---:"] * (len(head) - n_texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def score(row: dict[str, Any]) -> str:
    """Macro F1, its SD over draws where there are several, a mark where a grid was too narrow."""
    spread = f" ± {row['macro_f1_sd']:.2f}" if row["draws"] > 1 else ""
    mark = f" {AT_END}" if row.get("at_grid_end") else ""  # older results do not say
    return f"{row['macro_f1_mean']:.3f}{spread}{mark}"
