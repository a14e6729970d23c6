"""The page of a suite and the tables of the docs: what is proven, in which words, of how many."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import suite_page
from tsclr.bench import page
from tsclr.bench.comparisons import comparisons
from tsclr.report import results_table
from tsclr.report.scores import AT_END
from tsclr.report.section import number

DASH = "\N{EN DASH}"
GOOD, BAD = [[5, 0], [1, 4]], [[4, 1], [1, 4]]


def suite_of(n_subjects: dict[str, int], budgets: tuple[str, ...] = ("5",)) -> dict:
    """Three methods, the first better on everybody, on datasets with so many test subjects."""
    lines = [
        (dataset, "official", method, method, budget)
        for dataset in n_subjects
        for method in ("good", "bad", "worse")
        for budget in budgets
    ]
    counts = {
        line: np.tile(GOOD if line[2] == "good" else BAD, (1, n_subjects[line[0]], 1, 1))
        for line in lines
    }
    names = ("dataset", "protocol", "method", "head", "budget")
    rows = [
        dict(zip(names, line, strict=True))
        | {"test_subjects": n_subjects[line[0]], "macro_f1_mean": 0.9, "macro_f1_sd": 0.0}
        | {"draws": 1, "macro_f1_ci_subjects": [0.9, 0.9]}
        for line in lines
    ]
    return {"rows": rows, "comparisons": comparisons(counts, seed=0)}


def cells(section) -> list[list[str]]:
    return [list(map(number, row)) for row in section.table.frame.to_numpy(object)]


def test_what_cannot_be_proven_is_a_dash_and_said() -> None:
    """Two comparisons: 2 / 2^5 is above .05 with six subjects, 2 / 2^6 is not with seven."""
    section = page.comparisons(suite_of({"few": 6, "fewer": 3, "six": 6, "many": 7}), "5")
    assert [row[-1] for row in cells(section)] == [DASH] * 6 + ["0.031"] * 2
    assert (
        "no difference could be proven with 6 test subjects (few, official; six, official) and "
        "3 test subjects (fewer, official); after"
    ) in section.reading
    assert "many" not in section.reading


def test_nothing_is_said_where_all_can_be_proven() -> None:
    section = page.comparisons(suite_of({"many": 7}), "5")
    assert "could be proven" not in section.reading
    only_few = page.comparisons(suite_of({"few": 6}), "5")
    assert [row[-1] for row in cells(only_few)] == [DASH] * 2
    assert page.comparisons({"rows": [], "comparisons": []}, "5").table.frame.empty


def test_the_family_is_that_of_one_budget() -> None:
    """With two budgets p is adjusted for the two comparisons at each, not for all four."""
    section = page.comparisons(suite_of({"many": 7}, ("5", "10%")), "10%")
    assert [row[-2:] for row in cells(section)] == [["0.016", "0.031"]] * 2
    assert "Difference of macro F1, 10 % of the labels," in section.reading
    assert "over the comparisons at one budget of a dataset and protocol" in section.reading


def test_the_reading_says_that_the_interval_is_narrow() -> None:
    section = page.comparisons(suite_of({"many": 7}), "5")
    assert "70 to 75 % with 3 test subjects, 86 % with 6, 88 % with 9" in section.reading


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [(("all", "10%", "1%"), "1%"), (("all", "50", "2"), "2"), (("1", "5"), "5")],
)
def test_methods_are_compared_at_five_labels_or_the_smallest_budget(budgets, expected) -> None:
    assert page.detailed(pd.DataFrame({"budget": budgets})) == expected


def test_the_table_of_the_docs_has_a_dash_where_nothing_can_be_proven() -> None:
    title, _, *table = suite_page.budget_table(suite_of({"wisdm": 3}), "wisdm").splitlines()
    assert title.startswith("**WISDM watch (12 of 51 people)**, 3 test subjects. No difference")
    assert [line.split("|")[-3].strip() for line in table[2:]] == ["", DASH, DASH]


def test_the_table_of_the_docs_has_p_where_it_can_be_small() -> None:
    title, _, *table = suite_page.budget_table(suite_of({"wisdm": 7}), "wisdm").splitlines()
    assert title == "**WISDM watch (12 of 51 people)**, 7 test subjects"
    assert [line.split("|")[-3].strip() for line in table[2:]] == ["", "0.031", "0.031"]


def test_tables_have_what_a_row_took_and_mark_a_choice_at_an_end() -> None:
    """Learning counts once, its head at every budget; a mark stands where a grid was too narrow."""
    found = suite_of({"wisdm": 3}, ("5", "10"))
    for row in found["rows"]:
        row["cost"] = {"seconds": 100.0, "head_seconds": 7.0 if row["method"] == "bad" else 0.5}
        row["at_grid_end"] = int((row["method"], row["budget"]) == ("bad", "10"))
    _, _, *table = suite_page.budget_table(found, "wisdm").splitlines()
    assert [line.split("|")[-2].strip() for line in table[2:]] == ["101", "114", "101"]
    assert [[AT_END in cell for cell in line.split("|")[2:4]] for line in table[2:]] == [
        [False, False],
        [False, True],
        [False, False],
    ]
    rows = pd.DataFrame(found["rows"]).drop(columns="head")
    section = page.with_cost(results_table(rows), rows)
    assert section.table.frame["seconds"].tolist() == ["101", "114", "101"]
    quick = rows.assign(cost=[{"seconds": 0.2, "head_seconds": 0.1}] * len(rows))
    frame = page.with_cost(results_table(quick), quick).table.frame
    assert frame["seconds"].tolist() == ["0.4", "0.4", "0.4"]
    assert section.table.frame["10"].tolist() == ["0.900", f"0.900 {AT_END}", "0.900"]
    assert f"{AT_END} A setting was chosen at an end of what was tried." in section.reading
    without = results_table(rows.assign(at_grid_end=0))
    assert AT_END not in without.reading


def test_segmentation_says_how_many_classes_are_told_apart(monkeypatch) -> None:
    measures = ("macro_f1_mean", "f1@10", "f1@25", "f1@50", "edit")
    found = dict.fromkeys(measures, 0.5) | {"per_class_f1": dict.fromkeys("abc", 0.5)}
    row = {"dataset": "hapt", "method": "MoCo", "smoothing_seconds": 2.0}
    results = {"segmentation": [row | {"smoothed": found, "unsmoothed": found}]}
    monkeypatch.setattr(suite_page, "results", lambda suite: results)
    assert suite_page.segmentation().splitlines()[-1].startswith("| HAPT, 3 classes: MoCo | 2 s |")


def test_who_was_tested_stands_at_the_results() -> None:
    few = pd.DataFrame(suite_of({"some": 4})["rows"]).assign(lacking=[{}] * 3)
    few["macro_f1_ci_subjects"] = [[0.8, 0.95]] * 3
    section = page.with_subjects(results_table(few.drop(columns="head")), few)
    assert section.reading.endswith(" 4 test subjects.")
    assert section.table.frame.iloc[0, -1] == "0.80 to 0.95"
    assert section.table.frame.columns[-1] == "95 %, 5"


def test_classes_that_are_not_shown_are_said() -> None:
    one = {"08": ["run", "sit"]}
    assert "1 of them does not show every class (08: run, sit)." in page.whom(3, one, None)
    many = {str(who): ["run"] for who in range(5)}
    told = page.whom(9, many, {"group 2": ["fall"]})
    assert "5 of them do not show every class (0: run; 1: run; 2: run; …)." in told
    assert told.endswith("Nobody trained on shows fall in group 2, so that it scores 0 there.")
