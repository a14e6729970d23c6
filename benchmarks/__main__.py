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
            sys.executable, "-m", "pytest", str(Path(__file__).parent), "--benchmark-only",
            "-p", "no:cacheprovider", "-q", f"--benchmark-json={raw}", *sys.argv[1:],
        ]  # fmt: skip
        code = subprocess.run(command, check=False).returncode
        if code == 0:
            rows = [row_of(each) for each in json.loads(raw.read_text())["benchmarks"]]
            keep("speed", {"median": rows})
            (RESULTS / "speed.md").write_text(table(rows))
    return code


def row_of(measured: dict[str, Any]) -> dict[str, Any]:
    """Name, median and what the benchmark itself notes."""
    stats = measured["stats"]
    return {
        "group": measured["group"] or measured["name"],
        "name": measured["name"],
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
            known = ("group", "name", "median_ms", "iqr_ms", "rounds")
            notes = ", ".join(f"{k} {v}" for k, v in row.items() if k not in known)
            ratio = cost(row) / fastest
            name = row["name"].removeprefix("test_").replace("|", " ")
            lines.append(f"| {group} | {name} | {row['median_ms']:.3g} | {ratio:.1f} | {notes} |")
    return "\n".join(lines) + "\n"


def cost(row: dict[str, Any]) -> float:
    """Time for a window where the benchmark says how many there were, else for the call."""
    speed = row.get("windows_per_second")
    return 1e3 / speed if speed else row["median_ms"]


if __name__ == "__main__":
    sys.exit(main())
