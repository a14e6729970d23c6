"""Result files and classes in, the tables of ``docs/objectives.md`` out."""

import inspect
import re
from typing import Any

from benchmarks.markdown import NOTHING, markdown, score
from benchmarks.objectives import BUDGETS, CLASSES, SOURCES
from benchmarks.results_folder import kept
from benchmarks.views_page import marked, sentence
from tsclr.bench.probe import HAND, RANDOM
from tsclr.objectives import Objective

TITLES = {"hapt": "HAPT-6 (official split)", "motionsense": "MotionSense"}
BASELINES = {RANDOM: "*untrained encoder*", HAND: "*hand features*"}
HEAD = (
    *("objective", "family", *BUDGETS),
    *("effective rank", "subject shortcut", "windows/s", "MiB"),
)
SORTED_BY = "5"


def family(cls: type[Objective]) -> str:
    """The module, which is named after what its objectives have in common."""
    return cls.__module__.rpartition(".")[2]


def class_table() -> str:
    """What each class does and where it comes from."""
    in_order = sorted(CLASSES.items(), key=lambda item: item[1].__module__)
    rows = [
        (f"`{name}`", family(cls), marked(sentence(cls)), reference(cls)) for name, cls in in_order
    ]
    return markdown(("class", "module", "what it does", "from"), rows, n_texts=4)


def reference(cls: type[Objective]) -> str:
    """Authors, title, place and year of the first work that the class follows."""
    text = (inspect.getdoc(cls) or "").partition("References\n----------\n")[2]
    until_year = re.match(r".*?\b(?:19|20)\d\d\b(?!\.\d)\)?", marked(text))
    return until_year[0] if until_year else ""


def score_tables() -> str:
    """One table for each dataset, the best at five labels first."""
    found = kept("objectives")
    if found is None:
        return NOTHING
    speeds = kept("objectives_speed") or {"rows": []}
    speed = {row["objective"]: row for row in speeds["rows"]}
    parts = [
        f"**{TITLES[source]}**\n\n{score_table(found['rows'], source, speed)}" for source in SOURCES
    ]
    facts = found["circumstances"]
    told = f"Commit {facts['commit']}, {facts['date']}, {facts['processor']}."
    return "\n\n".join([*parts, " ".join([told, facts.get("note", "")]).strip()])


def score_table(rows: list[dict[str, Any]], source: str, speed: dict[str, Any]) -> str:
    """Scores and label-free measurements of one dataset."""
    cells: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["dataset"] == source:
            cells.setdefault(row["objective"], {})[row["budget"]] = row
    best_first = sorted(cells, key=lambda name: -cells[name][SORTED_BY]["macro_f1_mean"])
    return markdown(HEAD, [line(name, cells[name], speed.get(name)) for name in best_first], 2)


def line(name: str, scores: dict[str, Any], speed: dict[str, Any] | None) -> list[str]:
    """The cells of one objective or baseline."""
    cls, watched = CLASSES.get(name), scores[SORTED_BY]
    label = BASELINES.get(name, f"{name} †" if cls and cls.reads_labels else name)
    return [
        label,
        family(cls) if cls else "",
        *(score(scores[budget]) for budget in BUDGETS),
        f"{watched['effective_rank']:.0f}" if "effective_rank" in watched else "",
        f"{watched['subject_shortcut']:.2f}" if "subject_shortcut" in watched else "",
        f"{speed['windows_per_second']:,.0f}" if speed else "",
        f"{speed['peak_mib']:.0f}" if speed else "",
    ]
