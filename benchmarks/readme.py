"""``python -m benchmarks.readme``: write the results tables of the README from the result files."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.results_folder import RESULTS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
TITLES = {"hapt": "HAPT-6 (official split)", "motionsense": "MotionSense"}


def results(name: str) -> str:
    """One table: macro F1 on test subjects by method and labels per class."""
    told = json.loads((RESULTS / f"{name}.json").read_text())
    rows = [row for row in told["results"] if row["head"] == "linear"]
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    lines = [
        f"**{TITLES[name]}**, {len(told['test_subjects'])} test subjects",
        "",
        f"| labels per class | {' | '.join(budgets)} |",
        f"|---|{'---|' * len(budgets)}",
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = [score(row) for row in rows if row["method"] == method]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def score(row: dict[str, Any]) -> str:
    """Mean, and SD over draws of the labels where there are several."""
    spread = f" ± {row['macro_f1_sd']:.2f}" if row["draws"] > 1 else ""
    return f"{row['macro_f1_mean']:.3f}{spread}"


def filled(text: str) -> str:
    """`text` with fresh tables between the marks."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    tables = "\n\n".join(results(name) for name in TITLES)
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


if __name__ == "__main__":
    old = README.read_text()
    new = filled(old)
    README.write_text(new)
    sys.stdout.write("README.md is up to date\n" if old == new else "README.md written\n")
