"""``tsclr probe``, ``bench`` and ``bench audit``: scores with few labels, and their audit."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tsclr.cli.command import CHANGES, Given, command
from tsclr.cli.output import say, say_next, say_table
from tsclr.config.options import REQUIRED, Option, UsageError, options_of

if TYPE_CHECKING:
    from tsclr.audit.windows import Finding
    from tsclr.bench.suite import Suite


def _probe_options() -> list[Option]:
    from tsclr.bench.probe import probe

    about = "File for the scores; their provenance is written next to it"
    return [*options_of(probe, positional=("run",)), Option("json", Path | None, about)]


@command(
    "probe", _probe_options, "dataset budgets heads draws methods classes test whiten root json"
)
def probe(given: Given) -> None:
    """Score the encoder of a run with few labels, next to baselines.

    Settings are chosen on validation subjects; test subjects are scored once.

    For example:
      tsclr probe runs/a
      tsclr probe runs/a --budgets 1,5,all --heads linear --json scores.json
      tsclr probe runs/a --dataset store --test P07,P08 --classes walk,run
    """
    from tsclr.bench.probe import probe, write_scores
    from tsclr.report.tables import about_scores, by_budget

    scores = probe(**{name: given[name] for name in given if name not in ("json", CHANGES)})
    rows, classes = scores["rows"], scores["classes"]
    n_subjects = len(scores["units"][0]["split"]["test"])
    say_table(by_budget(rows), about_scores(rows, n_subjects, scores["n_test_windows"], classes))
    if given["json"]:
        write_scores(given["json"], scores)
        say_next("tsclr", "bench", "audit", given["json"])
    else:
        source = scores["suite"]["datasets"][0]["name"]
        say_next("tsclr", "embed", given["run"], source, "--out", "vectors.parquet")


def _bench_options() -> list[Option]:
    from tsclr.bench.suite import Suite

    return [
        Option("suite", Path | None, "YAML file of the suite", positional=True),
        Option("out", Path, "Folder of the results", REQUIRED),
        Option("jobs", int, "Processes, of one thread each", os.cpu_count()),
        Option("plan", bool, "Say what would be computed and could be proven, and stop", False),
        Option("print_config", bool, "Print the YAML of all settings, and stop", False),
        *options_of(Suite, raw=True),
    ]


@command(
    "bench", _bench_options, "out jobs datasets heads budgets draws seeds root plan print_config"
)
def bench(given: Given) -> None:
    """Score a suite: methods on datasets, by subject, with few labels.

    Run it again after an interruption or a change; what was scored is kept.

    For example:
      tsclr bench benchmarks/suites/quick.yaml --out results
      tsclr bench benchmarks/suites/small.yaml --out results --plan
      tsclr bench benchmarks/suites/small.yaml --out results --jobs 2 --datasets hapt,wisdm
      tsclr bench suite.yaml --out results --draws 10 --budgets 1,5,all
    """
    from tsclr.bench.runner import bench
    from tsclr.bench.suite import Suite
    from tsclr.config.changes import build_changed
    from tsclr.config.pretraining import yaml_of
    from tsclr.specs import read_yaml

    file = given["suite"]
    contents = read_yaml(file) if file else {}
    suite = build_changed(Suite, contents, given[CHANGES], str(file or ""))
    if given["print_config"]:
        say(yaml_of(vars(suite)))
        return
    if given["plan"]:
        _plan(suite, given["out"], file)
        return
    out = bench(suite, out=given["out"], jobs=given["jobs"])
    say(f"results: {out}")
    say(f"report: {out / 'report.html'}")
    say_next("tsclr", "bench", "audit", out, note="computes all of it again, and looks for leaks")


def _plan(suite: "Suite", out: Path, file: Path | None) -> None:
    """Say what a suite would compute and what it could prove."""
    from tsclr.bench.plan import plan
    from tsclr.report.tables import provable

    # The suites that come with the project have their results beside their folder.
    published = [file.parent.parent / "results" / file.stem] if file else []
    planned = plan(suite, out, [out, *published])
    say(planned.summary)
    say_table(provable(planned.provable), planned.caption)


@command(
    "bench audit",
    lambda: [
        Option("results", Path | None, "Folder of a suite, or JSON of a probe", positional=True),
        Option("windows", Path | None, "Array of (N, C, T) windows, a .npy file"),
        Option("subjects", Path | None, "Subject of each window, a .npy file"),
        Option("split", Path | None, "train, validation or test for each window, a .npy file"),
    ],
    "windows subjects split",
)
def audit(given: Given) -> None:
    """Compute results of a suite or a probe again, or check windows of your own for leaks.

    A leak is test data that something was trained or chosen on.

    For example:
      tsclr bench audit results
      tsclr bench audit scores.json
      tsclr bench audit --windows X.npy --subjects subjects.npy --split split.npy
    """
    arrays = [given[name] for name in ("windows", "subjects", "split")]
    if given["results"]:
        _audit_results(given["results"])
    elif None in arrays:
        raise UsageError("name results, or all of --windows, --subjects and --split")
    else:
        from tsclr.audit.windows import audit_windows, load_windows, visible_overlap

        windows, subjects, split = load_windows(*arrays)
        findings = audit_windows(windows, subjects, split)
        _report(findings, windows.shape, visible_overlap(windows))


def _audit_results(results: Path) -> None:
    """Recompute the certificates of results, and say what they hold."""
    from tsclr.bench.audit import audit_results

    checked = audit_results(results)
    n_leaky = int(checked["holds"].str.startswith("nothing").sum())
    n_clean = len(checked) - n_leaky
    hidden = ["roles", "scores", *["transductive"] * (not any(checked["transductive"]))]
    hidden += ["apart"] * all(checked["apart"] == "people")
    shown = checked.drop(columns=hidden)
    say_table(shown, "Certificates, recomputed from the provenance.")
    but = f", next to {n_leaky} of protocols that are known to leak" if n_leaky else ""
    say(f"no leak found in {n_clean} unit{'s' * (n_clean != 1)}{but}")
    if all(checked["scores"]):
        say("every row, interval and p value is what the confusion counts give")
    else:
        say("no score was computed again: these results are from before counts were shipped")


def _report(findings: "list[Finding]", shape: tuple[int, ...], visible: int) -> None:
    """Say what an audit of windows found; a leak is a failure, a suspicion is not."""
    from tsclr.data.splits import LeakError

    lines = list(map(str, findings))
    if any(not finding.suspicion for finding in findings):
        raise LeakError("\n".join(lines))
    unseen = f"of fewer than {visible} of {shape[2]} samples"
    if visible > shape[2]:
        unseen = "where as little changes as in most of these windows"
    lines += [
        f"no leak found in {shape[0]:,} windows of {shape[1]} channels and {shape[2]} samples; "
        f"overlaps {unseen}, or of windows that were normalised or padded one by one, would not be "
        "seen"
    ]
    say("\n".join(lines))
