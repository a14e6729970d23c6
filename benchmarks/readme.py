"""``python -m benchmarks.readme``: write the tables of README and docs from the result files."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import objectives_page, peers_page, step_rate_page, suite_page
from benchmarks.objectives_page import TITLES
from benchmarks.results_folder import RESULTS

ROOT = Path(__file__).parent.parent


def advice() -> str:
    """Two tables: how label-free scores rank views as labels do, and what the advice gains."""
    told = json.loads((RESULTS / "advisor.json").read_text())
    columns = [(name, budget) for name in TITLES for budget in (5, 10)]
    heads = [f"{TITLES[name].split()[0]}, {budget} labels" for name, budget in columns]
    lines = [f"| candidates | score | {' | '.join(heads)} |", f"|---|---|{'---|' * len(columns)}"]
    for group, rows in told["hapt"]["spearman"].items():
        for by in dict.fromkeys(row["score"] for row in rows):
            cells = [rho(told[name]["spearman"][group], by, budget) for name, budget in columns]
            lines.append(f"| {group} | {by.replace('_', ' ')} | {' | '.join(cells)} |")
    lines += ["", f"| macro F1 on validation subjects | {' | '.join(heads)} |"]
    lines.append(f"|---|{'---|' * len(columns)}")
    for case in ("no view", "advised", "best"):
        cells = [f"{told[name]['gain'][f'macro_f1_{n}'][case]:.3f}" for name, n in columns]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    advised = [f"* {TITLES[name]}: {told[name]['recommendation']}." for name in TITLES]
    return "\n".join([*lines, "", *advised])


def rho(rows: list[dict[str, Any]], by: str, budget: int) -> str:
    """Rank correlation with its interval."""
    (row,) = (r for r in rows if (r["score"], r["labels_per_class"]) == (by, budget))
    low, high = row["interval"]
    return f"{row['rho']:.2f} ({low:.2f} to {high:.2f})"


PAGES: dict[Path, dict[str, Callable[[], str]]] = {
    ROOT / "README.md": {"results": suite_page.overview},
    ROOT / "docs" / "advice.md": {"results": advice},
    ROOT / "docs" / "objectives.md": {
        "classes": objectives_page.class_table,
        "results": objectives_page.score_tables,
    },
    ROOT / "docs" / "results.md": {
        "scores": suite_page.by_budget,
        "segmentation": suite_page.segmentation,
        "costs": suite_page.costs,
        "pairing": suite_page.pairing,
        "kernels": suite_page.kernels,
        "seeds": suite_page.seeds,
        "clhar": peers_page.clhar,
        "tstcc": peers_page.tstcc,
        "selfhar": peers_page.selfhar,
    },
    RESULTS / "step_rate.md": {"results": step_rate_page.tables},
}
"""Pages with pairs of marks, and what belongs between the marks of a name."""


def filled(page: Path) -> str:
    """Text of a page with fresh tables between the marks."""
    text = page.read_text()
    for name, table in PAGES[page].items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table()}\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    for page in PAGES:
        fresh = filled(page)
        state = "is up to date" if fresh == page.read_text() else "written"
        page.write_text(fresh)
        sys.stdout.write(f"{page.name} {state}\n")
