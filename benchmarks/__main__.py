"""``python -m benchmarks``: time everything against its alternatives, keep a table."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.results_folder import RESULTS, keep


def main() -> int:
    """Run every benchmark in this folder; more words go to pytest."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw.json")
        command = [
            sys.executable,
            "-m",
            "pytest",
            str(Path(__file__).parent),
            "--benchmark-only",
            "-p",
            "no:cacheprovider",
            "-q",
            f"--benchmark-json={raw}",
            *sys.argv[1:],
        ]
        code = subprocess.run(command, check=False).returncode
        if code == 0:
            rows = [row_of(each) for each in json.loads(raw.read_text())["benchmarks"]]
            keep("speed", {"median": rows})
            (RESULTS / "speed.md").write_text(table(rows))
            (RESULTS / "views.md").write_text(views_table(rows))
    return code


def row_of(measured: dict[str, Any]) -> dict[str, Any]:
    """Name, median and what the benchmark itself notes."""
    stats = measured["stats"]
    return {
        "group": measured["group"] or measured["name"],
        "name": measured["name"],
        "params": measured["params"] or {},
        "median_ms": 1e3 * stats["median"],
        "iqr_ms": 1e3 * stats["iqr"],
        "rounds": stats["rounds"],
    } | measured["extra_info"]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: within a group, times as multiples of the fastest."""
    lines = [
        "# Speed",
        "",
        "Written by `make bench`; circumstances in `speed.json`. A ratio compares with the fastest",
        "of the group, measured in the same run; for a window, where sizes differ.",
        "",
        "| group | benchmark | median, ms | ratio | notes |",
        "|---|---|---:|---:|---|",
    ]
    for group in dict.fromkeys(row["group"] for row in rows):
        members = [row for row in rows if row["group"] == group]
        fastest = min(map(cost, members))
        for row in sorted(members, key=cost):
            known = ("group", "name", "params", "median_ms", "iqr_ms", "rounds")
            notes = ", ".join(f"{k} {v}" for k, v in row.items() if k not in known)
            ratio = cost(row) / fastest
            name = row["name"].removeprefix("test_").replace("|", " ")
            lines.append(f"| {group} | {name} | {row['median_ms']:.3g} | {ratio:.1f} | {notes} |")
    return "\n".join(lines) + "\n"


def views_table(rows: list[dict[str, Any]]) -> str:
    """Markdown: each view beside its alternatives and beside a copy of the batch."""
    lines = [
        "# Speed of the views",
        "",
        "Written by `make bench`; circumstances in `speed.json`, everything from one run. Batches",
        "of 256 windows of 6 by 128 float32. Time of a window on one thread and on all; *copies*:",
        "how many copies of the batch take as long, the limit that memory sets is 1. Then how many",
        "times longer tsaug takes, for a batch and window by window, and a loop over windows in",
        "NumPy or SciPy, on one thread.",
        "",
        "| view | µs, 1 thread | µs, all | copies | tsaug | tsaug, one by one | loop |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    groups = [g for g in dict.fromkeys(row["group"] for row in rows) if g.startswith("view ")]
    for group in groups:
        ours, others = {}, {}
        for row in (row for row in rows if row["group"] == group):
            kind = row["name"].removeprefix("test_").partition("[")[0].removesuffix("_resize")
            if kind == "tsclr":
                ours[row["params"].get("threads", 1)] = row
            else:
                others[kind] = row["us_per_window"]
        one = ours[1]["us_per_window"]
        ratios = [
            f"{others[kind] / one:.1f}" if kind in others else ""
            for kind in ("tsaug", "tsaug_one_by_one", "loop")
        ]
        all_threads = ours[max(ours)]["us_per_window"] if len(ours) > 1 else ""
        cells = [group.removeprefix("view "), one, all_threads, ours[1]["copies"], *ratios]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def cost(row: dict[str, Any]) -> float:
    """Time for a window where the benchmark says how many there were, else for the call."""
    speed = row.get("windows_per_second")
    return 1e3 / speed if speed else row["median_ms"]


if __name__ == "__main__":
    sys.exit(main())
