"""Rows in, a table in Markdown out; a score with its spread in, a cell out."""

from collections.abc import Sequence
from typing import Any

NOTHING = "not measured yet"
"""What stands in the place of a table whose results are not there."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], n_texts: int = 1) -> str:
    """A table whose first columns are text and whose others are numbers."""
    rule = ["---"] * n_texts + ["---:"] * (len(head) - n_texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def score(row: dict[str, Any]) -> str:
    """Macro F1, and its SD over draws of the labels where there are several."""
    spread = f" ± {row['macro_f1_sd']:.2f}" if row["draws"] > 1 else ""
    return f"{row['macro_f1_mean']:.3f}{spread}"
