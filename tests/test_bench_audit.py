"""Whole results: what is edited in them is found and named, and honest ones pass."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tsclr.audit import ledger
from tsclr.audit.certificates import certificate
from tsclr.bench import results as bench_results
from tsclr.bench.audit import audit_results, differences
from tsclr.bench.results import COLUMNS, COUNTS, TABLE
from tsclr.cli import main
from tsclr.data.identity import hashed

Change = Callable[[dict[str, Any]], Any]
ROW = r"rows\[0\] \(store, 2 folds of subjects, NT-Xent, linear, 1\)"
UNIT = r"units\[0\] \(store, 2 folds of subjects, group 1 of 2, NT-Xent\)"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of finished results, as they are published."""
    for name in ("results.json", TABLE):
        shutil.copy(finished / name, tmp_path)
    shutil.copytree(finished / "provenance", tmp_path / "provenance")
    return tmp_path


def edit(folder: Path, change: Change) -> None:
    """Change the content of results.json in place."""
    content = json.loads((folder / "results.json").read_text())
    change(content)
    (folder / "results.json").write_text(json.dumps(content))


def edit_counts(folder: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Change the cells of the counts in place."""
    path = folder / "provenance" / COUNTS
    cells = json.loads(gzip.decompress(path.read_bytes()))
    change(cells)
    path.write_bytes(gzip.compress(json.dumps(cells).encode()))


def exchange(values: dict[str, Any], one: str, other: str) -> None:
    """Exchange two values."""
    values[one], values[other] = values[other], values[one]


def swap(values: list[Any]) -> None:
    """Swap the first two."""
    values[:2] = values[1::-1]


def without(content: dict[str, Any], **values: str) -> None:
    """Leave out all units, rows and comparisons that have these values, from those of the table."""
    for name in ("rows", "units", "comparisons"):
        content[name] = [
            entry
            for entry in content[name]
            if not any(str(entry.get(key, "")).startswith(value) for key, value in values.items())
        ]


def test_honest_results_are_computed_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = audit_results(folder)
    assert checked["scores"].tolist() == [2, 2, 4] * 2  # heads times budgets
    assert main(["bench", "audit", str(folder)]) == 0
    assert "every row, interval and p value is what the confusion counts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["rows"][0].update(macro_f1_mean=7.5),
            rf"{ROW}\.macro_f1_mean: 7\.5 is stated, the counts give 0\.\d+$",
        ),
        (
            lambda c: c["rows"][0]["macro_f1_ci_subjects"].__setitem__(0, 0.123),
            rf"{ROW}\.macro_f1_ci_subjects\[0\]: 0\.123 is stated, the counts give 0\.\d+$",
        ),
        (
            lambda c: c["rows"][0].update(macro_f1_sd=c["rows"][0]["macro_f1_sd"] * (1 + 1e-6)),
            rf"{ROW}\.macro_f1_sd: 0\.\d+ is stated",
        ),
        (
            lambda c: c["rows"][0].update(validation_macro_f1=0.99),
            rf"{ROW}\.validation_macro_f1: 0\.99 is stated",
        ),
        (
            lambda c: c["comparisons"][0].update(p=0.01),
            r"comparisons\[0\] \(store, 2 folds of subjects, random-init \+ linear, "
            r"NT-Xent \+ linear, 1\)\.p: 0\.01 is stated, the counts give 0\.\d+$",
        ),
        (lambda c: swap(c["rows"]), rf"{ROW}\.budget: 'all' is stated, the counts give '1'\n"),
        (lambda c: c["rows"].pop(), r"rows\[7\] \(.*\): nothing is stated, the counts give \{"),
        (lambda c: c["comparisons"].clear(), r"comparisons\[0\] \(.*\): nothing is stated"),
        (lambda c: c["rows"].append(c["rows"][0]), r"rows\[8\]: \{.* is stated, .* give nothing$"),
    ],
    ids=[
        "score of 7.5",
        "interval",
        "a millionth",
        "validation score",
        "p value",
        "rows swapped",
        "row dropped",
        "comparisons dropped",
        "row twice",
    ],
)
def test_what_the_counts_do_not_give_is_named(folder: Path, change: Change, message: str) -> None:
    edit(folder, change)
    with pytest.raises(ValueError, match=f"(?m)^{message}"):
        audit_results(folder)


def test_what_other_processors_round_differently_is_equal(folder: Path) -> None:
    edit(folder, lambda c: c["rows"][0].update(accuracy_sd=c["rows"][0]["accuracy_sd"] + 1e-13))
    assert len(audit_results(folder)) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: (c["suite"]["budgets"].remove("all"), without(c, budget="all")),
            rf"{UNIT}\.cells\[1\]: \['linear', 'all', 1\] is stated, the suite gives nothing",
        ),
        (
            lambda c: c["suite"]["budgets"].append("5"),
            rf"{UNIT}\.cells\[2\]: nothing is stated, the suite gives \['linear', '5', 2\]",
        ),
        (
            lambda c: c["suite"]["methods"]["hand features"].update(heads=["linear"]),
            r"units\[2\] .*\.cells\[2\]: \['prototype', '1', 2\] is stated",
        ),
        (
            lambda c: c["suite"].update(draws=10),
            rf"{UNIT}\.cells\[0\]\[2\]: 2 is stated, the suite gives 10",
        ),
        (lambda c: without(c, method="random-init"), r"units\[1\] .*\.method: 'hand features' is"),
        (lambda c: without(c, fold="group 2 of 2"), r"units\[3\] .*: nothing is stated"),
        (lambda c: c["suite"]["datasets"].append("hapt"), "lack datasets that the suite has"),
        (lambda c: c["units"][0].update(method="MoCo"), r"method: 'MoCo' is stated, .* 'NT-Xent'"),
        (lambda c: c["units"][0].update(leaky=True), r"leaky: True is stated, the suite gives Fal"),
        (lambda c: c["units"][0].update(transductive=True), r"transductive: True is stated, "),
        (lambda c: c["units"][0].update(by_subject=False), r"by_subject: False is stated, "),
        (lambda c: c["units"][0].update(pretrains=False), r"pretrains: False is stated, "),
        (
            lambda c: exchange(c["units"][0]["split"], "train", "validation"),
            rf"{UNIT}\.split\.train\[0\]: '\d+' is stated, the suite gives '\d+'",
        ),
    ],
    ids=[
        "budget dropped",
        "budget never run",
        "head dropped",
        "more draws",
        "method dropped",
        "fold dropped",
        "dataset dropped",
        "method renamed",
        "leaky",
        "transductive",
        "by windows",
        "pretrains",
        "sides exchanged",
    ],
)
def test_what_the_suite_does_not_give_is_named(folder: Path, change: Change, message: str) -> None:
    edit(folder, change)
    with pytest.raises(ValueError, match=message):
        audit_results(folder)


def test_a_transductive_method_must_be_named_so(folder: Path) -> None:
    spec = {"sees_test_streams": True}
    edit(folder, lambda c: c["suite"]["methods"]["NT-Xent"].update(spec))
    message = r"method: 'NT-Xent' is stated, the suite gives 'NT-Xent \(transductive\)'"
    with pytest.raises(ValueError, match=message):
        audit_results(folder)


def test_a_suite_of_another_version_is_named(folder: Path) -> None:
    edit(folder, lambda c: c["suite"]["methods"]["NT-Xent"].update(momentum=3))
    with pytest.raises(ValueError, match=r"this version of tsclr does not understand .*momentum"):
        audit_results(folder)


def test_what_somebody_elses_classes_declare_is_believed(folder: Path) -> None:
    def rename(content: dict[str, Any]) -> None:
        specs = [*content["suite"]["protocols"], *content["suite"]["methods"].values()]
        for spec in specs:
            spec["class"] = f"os.{spec['class']}"  # what it names is not imported

    edit(folder, rename)
    assert len(audit_results(folder)) == 6
    edit(folder, lambda content: content["suite"]["budgets"].append("5"))
    with pytest.raises(ValueError, match=r"cells\[2\]: nothing is stated, the suite gives \['lin"):
        audit_results(folder)


def test_an_edited_table_is_named_with_its_row(folder: Path) -> None:
    path = folder / TABLE
    lines = path.read_text().splitlines()
    score = lines[2].split(",")[COLUMNS.index("macro_f1_mean")]
    path.write_text("\n".join([*lines[:2], lines[2].replace(score, "0.999999"), *lines[3:]]))
    message = (
        r"table\.csv was .*\nrows\[1\] \(store, 2 folds of subjects, NT-Xent, linear, all\)"
        rf"\.macro_f1_mean: '0\.999999' is stated, results\.json gives '{score}'$"
    )
    with pytest.raises(ValueError, match=message):
        audit_results(folder)
    path.unlink()
    with pytest.raises(ValueError, match=r"table\.csv is missing or damaged"):
        audit_results(folder)


# Counts


def move_a_window(cells: list[dict[str, Any]]) -> None:
    """Let a window that was recognised be taken for another class."""
    right, other = cells[0]["counts"][0][0][0][:2]
    cells[0]["counts"][0][0][0][:2] = [right - 1, other + 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (move_a_window, rf"{ROW}\.macro_f1_mean: 0\.\d+ is stated, the counts give 0\."),
        (lambda cells: cells.pop(0), rf"{UNIT}\.cells\[0\]\[1\]: 'all' is stated"),
        (lambda cells: cells[0].update(subjects=["01", "9"]), "the provenance lack the subjects 9"),
        (lambda cells: cells[0]["subjects"].pop(), "the counts lack the subjects [0-9a-f]+: a "),
        (lambda cells: cells[0].pop("chosen"), r"lacks something .*\(KeyError: 'chosen'\)"),
        (lambda cells: cells.append(cells[0] | {"unit": 77}), r"lacks something .*\(IndexError"),
    ],
    ids=["a window", "cell", "somebody else", "subject dropped", "choice", "unit"],
)
def test_edited_counts_are_found(
    folder: Path, change: Callable[[list[dict[str, Any]]], Any], message: str
) -> None:
    edit_counts(folder, change)
    with pytest.raises(ValueError, match=message):
        audit_results(folder)


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-9]])
def test_damaged_counts_are_named(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    path = folder / "provenance" / COUNTS
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"{COUNTS} are missing or damaged"):
        audit_results(folder)
    path.unlink()
    with pytest.raises(ValueError, match=rf"{COUNTS} are missing or damaged"):
        audit_results(folder)
    edit(folder, lambda content: content.pop("counts"))
    with pytest.raises(ValueError, match=r"lacks something .*\(KeyError: 'counts'\)"):
        audit_results(folder)


def test_equal_counts_are_equal_bytes(folder: Path) -> None:
    content = json.loads((folder / "results.json").read_text())
    cells = bench_results.read_counts(folder / content["counts"])
    units = [
        unit | {"provenance": {"file": Path(unit["provenance"]).name, "rows": []}}
        for unit in content["units"]
    ]
    before = (folder / "provenance" / COUNTS).read_bytes()
    written = content | {"units": units, "counts": cells}
    bench_results.save(written, folder / "again" / "results.json", "provenance")
    assert (folder / "again" / "provenance" / COUNTS).read_bytes() == before


# Roles


def with_provenance(folder: Path, number: int, change: Callable[[pd.DataFrame], Any]) -> None:
    """Change the provenance of a unit, and its certificate so that it agrees."""

    def certify(content: dict[str, Any]) -> None:
        unit = content["units"][number]
        frame = change(ledger.read(folder / unit["provenance"]))
        ledger.write(ledger.merged([frame]), folder / unit["provenance"])
        unit["certificate"] = certificate(ledger.read(folder / unit["provenance"]))

    edit(folder, certify)


def using(role: str, side: str, split: dict[str, list[str]]) -> Callable[[Any], pd.DataFrame]:
    """A provenance in which a role has also seen what `choice` saw of a side of the split."""

    def add(frame: pd.DataFrame) -> pd.DataFrame:
        subjects = [hashed("store", name) for name in split[side]]
        seen = frame.loc[(frame["role"] == "choice") & frame["subject"].isin(subjects)]
        assert len(seen)
        return pd.concat([frame, seen.assign(role=role)])

    return add


@pytest.mark.parametrize("role", ["pretraining", "statistics"])
def test_what_takes_no_label_saw_training_subjects_alone(folder: Path, role: str) -> None:
    split = json.loads((folder / "results.json").read_text())["units"][0]["split"]
    with_provenance(folder, 0, using(role, "validation", split))
    outside, inside = ", ".join(split["validation"]), ", ".join(split["train"])
    message = (
        rf"unit 0 .*NT-Xent\): {role} has used the subjects {outside}, it may use those of train "
        rf"in the split: {inside}"
    )
    with pytest.raises(ValueError, match=message):
        audit_results(folder)


@pytest.mark.parametrize("role", ["fitting", "choice"])
def test_labels_are_those_of_subjects_of_the_split(folder: Path, role: str) -> None:
    def stranger(frame: pd.DataFrame) -> pd.DataFrame:
        row = frame.loc[frame["role"] == "fitting"].iloc[[0]]
        return pd.concat([frame, row.assign(role=role, subject="ab", recording="cd")])

    with_provenance(folder, 0, stranger)
    message = f"{role} has used the subjects ab, it may use those of train and validation in"
    with pytest.raises(ValueError, match=message):
        audit_results(folder)


@pytest.mark.parametrize("role", ["pretraining", "fitting"])
def test_a_role_that_a_method_must_have_is_missed(folder: Path, role: str) -> None:
    with_provenance(folder, 0, lambda frame: frame.loc[frame["role"] != role])
    with pytest.raises(ValueError, match=rf"unit 0 .* nothing in .*parquet has the role {role}"):
        audit_results(folder)


@pytest.mark.parametrize("number", [0, 2])
def test_the_provenance_of_another_fold_is_refused(folder: Path, number: int) -> None:
    def take(content: dict[str, Any]) -> None:
        for name in ("provenance", "certificate"):
            content["units"][number][name] = content["units"][number + 3][name]

    edit(folder, take)
    with pytest.raises(ValueError, match=rf"unit {number} .* has used the subjects"):
        audit_results(folder)


def test_differences_of_lists_and_kinds_are_named() -> None:
    places = [place for place, *_ in differences({"a": [1, 2]}, {"a": [1], "b": None})]
    assert places == ["a[1]", "b"]
    assert list(differences({"a": True}, {"a": 1})) == [("a", True, 1)]
    assert list(differences({"a": 1.0}, {"a": 1})) == []
    assert list(differences([], {})) == [("", [], {})]
