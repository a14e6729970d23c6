"""Reports: the right numbers, a page that is whole, safe and asks for nothing from outside."""

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.transforms import Bbox

from tsclr import report
from tsclr.report.budgets import ordered_budgets
from tsclr.report.curve import spread
from tsclr.report.look import THEME
from tsclr.report.section import number

CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
HOSTILE = '<script>alert("1")</script>'
DASH = "\N{EN DASH}"
VOID = {"meta", "link"}


class Page(HTMLParser):
    """Elements that are open, attributes seen, text and the cells of every table."""

    def __init__(self, path: Path):
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.tables: list[list[list[str]]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def page_of(folder: Path, *sections: report.Section, **settings) -> Page:
    page = Page(report.write_report(folder / "r.html", "Title", "Sub", sections, {}, **settings))
    assert page.open == []
    return page


def some_results(methods=("SimCLR", "random-init"), budgets=("all", "1", 10, 5)) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "method": method,
            "head": "linear",
            "budget": budget,
            "macro_f1_mean": generator.uniform(0.4, 0.9),
            "macro_f1_sd": 0.03,
            "draws": 5,
        }
        for method in methods
        for budget in budgets
    )


def some_metrics(n_epochs: int = 4) -> pd.DataFrame:
    epochs = np.arange(1, n_epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epochs,
            "loss": 5 / epochs,
            "alignment": 1 / epochs,
            "uniformity": -3 + 1 / epochs,
            "effective_rank": 20.5 + epochs,
            "dead_features": 4 - epochs,
            "windows_per_second": 1200.0 + epochs,
            "seconds": 9.5 * epochs,
        }
    )


def some_sections() -> list[report.Section]:
    generator = np.random.default_rng(0)
    window = generator.normal(size=(6, 40))
    names = [f"s{place % 3}" for place in range(30)]
    return [
        report.budget_curve(some_results()),
        report.results_table(some_results()),
        report.training_curves(some_metrics()),
        report.two_views(window, window + 1, window * 2, CHANNELS, 50.0),
        report.embedding_scatter(generator.normal(size=(30, 2)), names, names),
        report.confusion(np.array([[8, 2], [0, 10]]), ("sit", "walk")),
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return report.write_report(
        tmp_path_factory.mktemp("report") / "new" / "report.html",
        "A title",
        "A subtitle",
        some_sections(),
        {"seed": "7"},
        {"macro F1 at 5 labels": "0.887"},
    )


# ---- the page ----------------------------------------------------------------------------------


def test_page_is_balanced_and_has_every_part(whole):
    page = Page(whole)
    assert page.open == []
    for text in ("A title", "A subtitle", "0.887", "macro F1 at 5 labels", "Pretraining"):
        assert text in page.text
    assert page.tables[-1] == [["seed", "7"]]
    assert sum(tag == "svg" and name == "viewbox" for tag, name, _ in page.attributes) == 5


def test_page_asks_for_nothing_from_outside(whole):
    text = whole.read_text()
    assert not re.search(r"https?:|//|@import|<script", text.replace("data:image/png;base64", ""))
    page = Page(whole)
    for _, name, value in page.attributes:
        assert "src" not in name.split(":")
        if name == "href":
            assert value.startswith(("#", "data:"))
    assert ("meta", "http-equiv", "Content-Security-Policy") in page.attributes


def test_ids_are_unique_and_every_reference_resolves(whole):
    page = Page(whole)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r"url\(#([^)]+)\)", whole.read_text()))
    for _, name, value in page.attributes:
        if name == "href" and value.startswith("#"):
            wanted.add(value[1:])
        elif name == "aria-labelledby":
            wanted |= set(value.split())
    assert wanted <= set(ids)


def test_pictures_follow_the_theme_and_say_what_they_show(whole):
    text = whole.read_text()
    picture = text[text.index("<svg") : text.index("</svg>")]
    for light, _ in THEME.values():
        assert light not in picture
    assert "var(--accent)" in picture
    assert "Line chart of macro F1 by label budget for 2 methods" in picture
    assert "labelled windows per class</text>" in picture


def test_same_input_gives_the_same_bytes(whole, tmp_path):
    again = report.write_report(
        tmp_path / "report.html",
        "A title",
        "A subtitle",
        some_sections(),
        {"seed": "7"},
        {"macro F1 at 5 labels": "0.887"},
    )
    assert again.read_bytes() == whole.read_bytes()


def test_names_that_look_like_markup_are_text(tmp_path):
    results = some_results(methods=(HOSTILE, "a$b_1$ & \x00\n走"))
    matrix = np.array([[3, 1], [0, 2]])
    path = report.write_report(
        tmp_path / "r.html",
        HOSTILE,
        HOSTILE,
        [
            report.budget_curve(results),
            report.results_table(results),
            report.confusion(matrix, (HOSTILE, 'url(#x") #1a232b id="y"')),
            report.embedding_scatter(np.eye(2), [HOSTILE, "b"], ["\udcff", HOSTILE]),
            report.Section(HOSTILE, HOSTILE, table=report.Table(pd.DataFrame({HOSTILE: [1]}))),
        ],
        {HOSTILE: HOSTILE},
        {HOSTILE: HOSTILE},
    )
    assert "<script" not in path.read_text(encoding="utf-8")
    page = Page(path)
    assert page.open == []
    assert page.text.count(HOSTILE) > 10
    assert "a$b_1$ & 走" in page.text


def test_a_failed_write_leaves_the_old_report(tmp_path, monkeypatch):
    path = report.write_report(tmp_path / "r.html", "Old", "", [], {})
    old = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left while writing"):
        report.write_report(path, "New", "", [], {})
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]


def test_a_picture_needs_no_table(tmp_path):
    section = replace(report.confusion(np.eye(2, dtype=int), ("a", "b")), table=None)
    page = page_of(tmp_path, section)
    assert "The numbers" not in page.text
    assert len(page.tables) == 1


def test_many_points_stay_a_small_file(tmp_path):
    points = np.random.default_rng(0).normal(size=(6000, 2))
    names = [f"user {place % 30}" for place in range(6000)]
    section = report.embedding_scatter(points, names, names)
    path = report.write_report(tmp_path / "r.html", "Many", "", [section], {})
    assert path.stat().st_size < 1.5e6
    assert "data:image/png;base64" in path.read_text()
    assert "30 subjects, one colour each" in Page(path).text


# ---- scores ------------------------------------------------------------------------------------


def test_budget_curve_draws_the_scores_in_order_of_labels(tmp_path):
    results = some_results()
    section = report.budget_curve(results)
    (axes,) = section.figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "5", "10", "all"]
    for line, method in zip(axes.lines, ("SimCLR", "random-init"), strict=True):
        rows = results[results["method"] == method].set_index("budget")
        np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2, 3])
        np.testing.assert_array_equal(
            line.get_ydata(), rows.loc[["1", 5, 10, "all"], "macro_f1_mean"]
        )
    band = axes.collections[0].get_paths()[0].vertices
    first = results.set_index(["method", "budget"]).loc[("SimCLR", "1"), "macro_f1_mean"]
    at_first = band[band[:, 0] == 0, 1]
    assert at_first.min() == pytest.approx(first - 0.03)
    assert at_first.max() == pytest.approx(first + 0.03)
    header, *rows = page_of(tmp_path, section).tables[0]
    assert header == ["method", "labelled windows per class", "macro F1, mean", "SD", "draws"]
    assert len(rows) == 8
    row = results.iloc[0]
    assert rows[0] == ["SimCLR", "all", f"{row['macro_f1_mean']:.3f}", "0.030", "5"]


def test_budget_curve_stresses_the_learned_method_and_mutes_baselines():
    methods = ("Statistics", "Random-init CNN1d", "SimCLR", "TS2Vec")
    lines = report.budget_curve(some_results(methods), methods[:2]).figure.axes[0].lines
    by_name = {line.get_label(): line for line in lines}
    assert by_name["SimCLR"].get_linewidth() > by_name["TS2Vec"].get_linewidth()
    greys = {by_name[name].get_color() for name in ("Statistics", "Random-init CNN1d")}
    assert greys == {THEME["baseline"][0]}
    assert by_name["SimCLR"].get_color() == THEME["accent"][0]


def test_budget_curve_says_what_few_labels_gave():
    results = some_results(("A", "B", "Statistics"), ("1", "5"))
    results["macro_f1_mean"] = [0.5, 0.9, 0.6, 0.8, 0.4, 0.7]
    assert "With 1 label per class: B 0.600, Statistics 0.400." in (
        report.budget_curve(results, ["Statistics"]).reading
    )


def test_several_heads_are_several_panels():
    results = pd.concat([some_results(), some_results().assign(head="knn")])
    section = report.budget_curve(results)
    assert [axes.get_title(loc="left") for axes in section.figure.axes] == ["linear", "knn"]
    assert section.table.frame.columns[1] == "head"
    table = report.results_table(results).table
    assert list(table.frame.columns) == ["method", "head", "1", "5", "10", "all"]
    assert len(table.frame) == 4


@pytest.mark.parametrize("methods", [("SimCLR",), ("SimCLR", "Statistics"), ("Statistics",)])
def test_a_single_budget_shows_points_with_bars(methods, tmp_path):
    section = report.budget_curve(some_results(methods, ("5",)))
    axes = section.figure.axes[0]
    assert len(axes.lines) == len(methods)
    bar = axes.collections[0].get_segments()[0]
    assert bar[1, 1] - bar[0, 1] == pytest.approx(0.06)
    page_of(tmp_path, section, key_figures=None)


def test_results_table_prints_mean_and_sd_and_stresses_the_best(tmp_path):
    results = some_results(budgets=("5", "all"))
    results["macro_f1_mean"] = [0.8871, 0.9, 0.703, 0.95]
    results["macro_f1_sd"] = [0.0129, np.nan, 0.02, np.nan]
    results["draws"] = [5, 1, 5, None]
    section = report.results_table(results.drop(columns="head"))
    assert page_of(tmp_path, section).tables[0] == [
        ["method", "5", "all"],
        ["SimCLR", "0.887 ± 0.013", "0.900"],
        ["random-init", "0.703 ± 0.020", "0.950"],
    ]
    assert section.table.strong == {(0, 1), (1, 2)}
    assert "<strong>0.950</strong>" in (tmp_path / "r.html").read_text()


def test_a_budget_that_one_method_lacks_is_a_dash(tmp_path):
    results = some_results().iloc[:-1]
    assert page_of(tmp_path, report.results_table(results)).tables[0][2][2] == DASH
    line = report.budget_curve(results).figure.axes[0].lines[1]
    np.testing.assert_array_equal(line.get_xdata(), [0, 2, 3])


def test_scores_that_are_missing_are_left_out_and_counted(tmp_path):
    results = some_results()
    results.loc[[0, 3], "macro_f1_mean"] = np.nan
    for section in (report.budget_curve(results), report.results_table(results)):
        assert "Rows without a score, left out: 2." in section.reading
    results["macro_f1_mean"] = np.nan
    section = report.budget_curve(results)
    assert section.figure is None
    assert "There is no score to plot. Rows without a score, left out: 8." in section.reading
    page_of(tmp_path, section, report.results_table(results))


@pytest.mark.parametrize("column", ["method", "budget", "macro_f1_mean", "macro_f1_sd", "draws"])
@pytest.mark.parametrize("make", [report.budget_curve, report.results_table])
def test_scores_without_a_column_are_refused(make, column):
    with pytest.raises(ValueError, match=f"results has no column '{column}'"):
        make(some_results().drop(columns=column))


def test_the_same_score_twice_is_refused():
    results = pd.concat([some_results(), some_results().iloc[:1]])
    with pytest.raises(ValueError, match=r"2 rows for .* \('SimCLR', 'linear', 'all'\)"):
        report.budget_curve(results)


def test_spread_keeps_a_gap_and_moves_nothing_that_has_room():
    heights = np.random.default_rng(0).uniform(size=12)
    placed = np.array(spread(list(heights), gap=0.05))
    assert np.diff(np.sort(placed)).min() > 0.05 - 1e-12
    np.testing.assert_array_equal(np.argsort(placed), np.argsort(heights))
    assert spread([0.9, 0.1, 0.5], gap=0.05) == pytest.approx([0.9, 0.1, 0.5])


def test_budgets_that_are_words_come_last():
    assert ordered_budgets([]) == []
    results = some_results(budgets=("all", "50", "5", "0.5"))
    labels = report.budget_curve(results).figure.axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["0.5", "5", "50", "all"]


def test_shares_are_drawn_by_size_and_never_called_labels_per_class(tmp_path):
    results = some_results(budgets=("all", "10%", "5%"))
    results["macro_f1_mean"] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    section = report.budget_curve(results, ["random-init"])
    (axes,) = section.figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5%", "10%", "all"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.7, 0.8, 0.9])
    assert axes.get_xlabel() == "share of the labelled windows"
    assert section.reading.endswith("With 5 % of the labels: SimCLR 0.700, random-init 0.400.")
    table = report.results_table(results)
    assert page_of(tmp_path, table).tables[0][0] == ["method", "5%", "10%", "all"]
    for text in (section.reading, table.reading, section.table.frame.columns[1]):
        assert "per class" not in text


def test_kinds_of_budgets_side_by_side_are_all_named():
    results = some_results(budgets=("all", "10%", "50", "5"))
    section = report.budget_curve(results)
    both = "labelled windows per class or share of the labelled windows"
    assert section.figure.axes[0].get_xlabel() == both
    assert f"against the label budget ({both}); higher is better" in section.reading
    table = report.results_table(results)
    assert list(table.table.frame.columns) == ["method", "5", "50", "10%", "all"]
    assert f"Columns are label budgets: {both}." in table.reading


def test_all_labels_are_not_counted_by_class():
    section = report.budget_curve(some_results(budgets=("all",)))
    assert section.figure.axes[0].get_xlabel() == "labelled windows"
    assert "With all labels: SimCLR" in section.reading


# ---- training ----------------------------------------------------------------------------------


def test_training_curves_draw_every_metric(tmp_path):
    metrics = some_metrics()
    section = report.training_curves(metrics.iloc[::-1])
    titles = [axes.get_title(loc="left") for axes in section.figure.axes]
    assert titles == ["Loss", "Alignment", "Uniformity", "Effective rank", "Dead features", "Speed"]
    for axes, name in zip(section.figure.axes, metrics.columns[1:], strict=False):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), metrics["epoch"])
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), metrics[name])
    table = page_of(tmp_path, section).tables[0]
    assert table[1] == ["1", "5.000", "1.000", "-2.000", "21.500", "3", "1,201", "9.500"]


def test_training_curves_leave_out_what_was_not_measured():
    metrics = some_metrics().drop(columns=["uniformity", "seconds"])
    metrics["alignment"] = None
    section = report.training_curves(metrics)
    assert "Left out because they have no finite value: alignment." in section.reading
    assert len([axes for axes in section.figure.axes if axes.get_visible()]) == 4
    assert "alignment" not in section.table.frame


def test_values_that_are_not_finite_are_gaps_and_named(tmp_path):
    metrics = some_metrics()
    metrics["loss"] = [5.0, np.inf, None, 2.0]
    section = report.training_curves(metrics)
    assert "Gaps mark values that were not finite, at epoch 2 and 3." in section.reading
    np.testing.assert_array_equal(
        section.figure.axes[0].lines[0].get_ydata(), [5, np.nan, np.nan, 2]
    )
    page_of(tmp_path, section)


def test_metrics_without_any_finite_value_give_a_sentence():
    section = report.training_curves(pd.DataFrame({"epoch": [1], "loss": [np.nan]}))
    assert section.figure is None
    assert section.reading == (
        "There is no metric to plot. Left out because they have no finite value: loss."
    )


def test_one_epoch_is_a_point(tmp_path):
    section = report.training_curves(some_metrics(1))
    assert section.figure.axes[0].lines[1].get_ydata() == pytest.approx([5.0])
    page_of(tmp_path, section)


def test_counts_and_rates_start_at_zero():
    metrics = some_metrics().assign(dead_features=0)
    for axes in report.training_curves(metrics).figure.axes[3:]:
        low, high = axes.get_ylim()
        assert low == 0
        assert high >= 1


def test_metrics_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="metrics has no column 'loss'"):
        report.training_curves(some_metrics().drop(columns="loss"))
    with pytest.raises(ValueError, match="one row per epoch"):
        report.training_curves(pd.DataFrame({"epoch": [1, 1], "loss": [2.0, 1.0]}))


# ---- views, embedding, confusion ---------------------------------------------------------------


def test_two_views_draw_each_sensor_in_its_unit_over_seconds(tmp_path):
    window = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    section = report.two_views(window, window + 1, window * 2, CHANNELS, 20.0)
    grid = np.array(section.figure.axes).reshape(2, 3)
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["acc (g)", "gyr (rad/s)"]
    assert grid[1, 0].get_xlabel() == "time (s)"
    np.testing.assert_array_equal(grid[1, 2].lines[2].get_ydata(), window[5] * 2)
    np.testing.assert_allclose(grid[0, 0].lines[0].get_xdata(), np.arange(40) / 20)
    row = page_of(tmp_path, section).tables[0][4]
    assert row[:2] == ["gyr_x", "rad/s"]
    assert float(row[2]) == pytest.approx(window[3].mean(), abs=6e-4)
    assert float(row[7]) == pytest.approx(2 * window[3].std(), abs=6e-4)


def test_two_views_of_an_unknown_sensor_with_missing_samples(tmp_path):
    window = np.zeros((2, 10))
    window[1] = np.nan
    section = report.two_views(window, window, window, ("baro", "wrist_acc_x"), 1.0)
    assert [axes.get_ylabel() for axes in section.figure.axes[::3]] == ["baro", "wrist_acc (g)"]
    assert page_of(tmp_path, section).tables[0][2][2:] == [DASH] * 6


def test_two_views_refuse_what_does_not_fit():
    window = np.zeros((6, 40))
    with pytest.raises(ValueError, match=r"expected \(3, T\)"):
        report.two_views(window, window, window, CHANNELS[:3], 50.0)
    with pytest.raises(ValueError, match="sample_rate is 0"):
        report.two_views(window, window, window, CHANNELS, 0.0)


def drawn_points(axes) -> set[tuple[float, float]]:
    return {tuple(point) for drawn in axes.collections for point in drawn.get_offsets()}


@pytest.mark.parametrize("n_groups", [1, 7, 12])
def test_scatter_draws_every_point_twice(n_groups, tmp_path):
    points = np.random.default_rng(0).normal(size=(60, 2))
    names = np.array([f"group {place % n_groups}" for place in range(60)])
    section = report.embedding_scatter(points, names, names)
    for axes in section.figure.axes:
        assert drawn_points(axes) == {tuple(point) for point in points}
    styles = {
        (marker.get_marker(), marker.get_color())
        for marker in section.figure.axes[0].get_legend().legend_handles
    }
    assert len(styles) == n_groups
    assert len(page_of(tmp_path, section).tables[0]) == n_groups + 1


def test_scatter_colours_follow_the_names():
    points = np.arange(20.0).reshape(10, 2)
    names = ["a", "b"] * 5
    axes = report.embedding_scatter(points, names, names).figure.axes[0]
    handles = axes.get_legend().legend_handles
    drawn = axes.collections[0]
    of_a = {
        tuple(colour[:3]) for colour in drawn.get_facecolors()[drawn.get_offsets()[:, 0] % 4 == 0]
    }
    assert len(of_a) == 1
    assert of_a == {to_rgb(handles[0].get_color())}


def test_points_that_are_not_finite_are_left_out_and_counted():
    points = np.array([[0.0, 1.0], [np.nan, 0.0], [2.0, 1.0]])
    section = report.embedding_scatter(points, ["a", "b", "a"], ["s", "s", "t"])
    assert "Points left out because they are not finite: 1." in section.reading
    assert drawn_points(section.figure.axes[0]) == {(0.0, 1.0), (2.0, 1.0)}
    nothing = report.embedding_scatter(points * np.nan, ["a", "b", "a"], ["s", "s", "t"])
    assert nothing.figure is None


def test_scatter_refuses_names_that_do_not_match():
    with pytest.raises(ValueError, match="2 classes and 3 subjects"):
        report.embedding_scatter(np.zeros((3, 2)), ["a", "b"], ["a", "b", "c"])


def test_confusion_shows_shares_counts_and_scores(tmp_path):
    section = report.confusion(np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]]), ("a", "b", "c"))
    texts = {text.get_text() for text in section.figure.axes[0].texts}
    assert texts == {"80 %", "8", "20 %", "2", "100 %", "5"}
    table = page_of(tmp_path, section).tables[0]
    f1 = 2 * 8 / (10 + 8)
    assert table[1] == ["a", "1.000", "0.800", f"{f1:.3f}", "10", "8"]
    assert table[2] == ["b", f"{5 / 7:.3f}", "1.000", f"{2 * 5 / 12:.3f}", "5", "7"]
    assert table[3] == ["c", DASH, DASH, DASH, "0", "0"]
    assert f"13 of 15 predictions are correct, macro F1 {(f1 + 10 / 12) / 2:.3f}" in (
        section.reading
    )


def test_a_share_below_half_a_per_cent_is_not_called_zero():
    axes = report.confusion(np.array([[999, 1], [0, 9]]), ("a", "b")).figure.axes[0]
    assert "<1 %" in {text.get_text() for text in axes.texts}


def test_long_class_names_are_turned_and_none_is_lost():
    classes = [f"climbing_the_stairs_{place}" for place in range(8)]
    axes = report.confusion(np.eye(8, dtype=int), classes).figure.axes[0]
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {30}
    assert len({label.get_text() for label in axes.get_yticklabels()}) == 8


def test_confusion_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"shape \(2, 2\), expected \(3, 3\)"):
        report.confusion(np.eye(2, dtype=int), ("a", "b", "c"))
    with pytest.raises(ValueError, match="negative count: -1"):
        report.confusion(np.array([[1, -1], [0, 1]]), ("a", "b"))


def compared(n_classes: int, **scores: float) -> pd.DataFrame:
    """Methods of the given macro F1 with counts that are all right but for one cell."""
    counts = 100 * np.eye(n_classes, dtype=int)
    counts[0, :2] = [75, 25]
    classes = {f"class {place}": 0.5 for place in range(n_classes)}
    rows = [(name, score, classes, counts.tolist()) for name, score in scores.items()]
    return pd.DataFrame(rows, columns=["method", "macro_f1_mean", "per_class_f1", "confusion"])


def panels_of(results: pd.DataFrame) -> list[Axes]:
    figure = report.confusion_of_methods(results).figure
    return [axes for axes in figure.axes if axes.get_title(loc="left")]


def names_at(axes: Axes, axis: str) -> list[str]:
    return [label.get_text() for label in getattr(axes, f"get_{axis}ticklabels")()]


def test_confusion_of_methods_shows_the_best_first_with_its_score(tmp_path):
    results = compared(3, weak=0.4, strong=0.9, middling=0.6)
    section = report.confusion_of_methods(results)
    panels = panels_of(results)
    assert [axes.get_title(loc="left") for axes in panels] == ["strong", "middling", "weak"]
    assert [text.get_text() for text in panels[0].texts if "F1" in text.get_text()] == [
        "macro F1 0.900"
    ]
    assert "Largest error of strong: 25 % of class 0 is predicted as class 1" in section.reading
    table = page_of(tmp_path, section).tables[0]
    assert table[0] == ["method", "macro F1", "class 0", "class 1", "class 2"]
    assert [row[:2] for row in table[1:]] == [
        ["strong", "0.900"],
        ["middling", "0.600"],
        ["weak", "0.400"],
    ]


def test_confusion_of_methods_has_one_scale_of_shades():
    for axes in panels_of(compared(3, a=0.9, b=0.8)):
        drawn = {patch.get_alpha(): patch.get_path() for patch in axes.patches}
        assert set(drawn) == {0.04, 0.25, 0.75, 1.0}
        centre_of = {
            shade: path.get_extents().get_points().mean(0) for shade, path in drawn.items()
        }
        assert centre_of[0.25] == pytest.approx((1, 0))
        assert centre_of[0.75] == pytest.approx((0, 0))
        assert centre_of[1.0] == pytest.approx((1.5, 1.5))


def test_names_of_classes_stand_at_the_left_and_at_the_bottom_only():
    panels = panels_of(compared(3, a=0.9, b=0.8, c=0.7, d=0.6, e=0.5))
    names = ["class 0", "class 1", "class 2"]
    assert [names_at(axes, "y") == names for axes in panels] == [True, False, False, False, True]
    assert [names_at(axes, "x") == names for axes in panels] == [False, True, True, True, True]
    assert {name for axes in panels[1:4] for name in names_at(axes, "y")} == {""}


@pytest.mark.parametrize(("n_classes", "written"), [(2, True), (6, True), (18, False)])
def test_per_cent_is_written_where_there_is_room(n_classes, written):
    scores = {f"method {place}": 0.9 for place in range(12)}
    for axes in panels_of(compared(n_classes, **scores)):
        texts = {text.get_text() for text in axes.texts} - {"macro F1 0.900"}
        assert texts == ({"75", "25", "100"} if written else set())


def test_what_is_below_one_per_cent_is_empty_in_a_panel():
    results = compared(2, a=0.9, b=0.8).assign(confusion=[[[996, 4], [0, 9]]] * 2)
    (axes, _) = panels_of(results)
    assert {text.get_text() for text in axes.texts} == {"100", "macro F1 0.900"}
    assert {patch.get_alpha() for patch in axes.patches} == {0.04, 1.0}


@pytest.mark.parametrize(("n_methods", "n_classes"), [(12, 6), (14, 18), (20, 9)])
def test_panels_stay_apart_and_on_the_page_and_the_file_small(tmp_path, n_methods, n_classes):
    generator = np.random.default_rng(0)
    results = compared(n_classes, **{f"method {place}": 0.9 for place in range(n_methods)})
    counts = generator.poisson(generator.gamma(0.2, 20, (n_methods, n_classes, n_classes)))
    results["confusion"] = [(each + 200 * np.eye(n_classes, dtype=int)).tolist() for each in counts]
    boxes = [axes.get_position() for axes in panels_of(results)]
    assert len(boxes) == n_methods
    assert all(0 < box.x0 < box.x1 < 1 and 0 < box.y0 < box.y1 < 1 for box in boxes)
    pairs = itertools.combinations(boxes, 2)
    assert all(Bbox.intersection(*pair) is None for pair in pairs)
    section = report.confusion_of_methods(results)
    path = report.write_report(tmp_path / "r.html", "Many", "", [section], {})
    assert path.stat().st_size < 400_000


def test_confusion_of_methods_refuses_what_does_not_fit():
    results = compared(2, a=0.9, b=0.8)
    with pytest.raises(ValueError, match="results has no row"):
        report.confusion_of_methods(results.iloc[:0])
    with pytest.raises(ValueError, match="no column 'confusion'"):
        report.confusion_of_methods(results.drop(columns="confusion"))
    other = [results["per_class_f1"].iloc[0], {"x": 0.5, "y": 0.5}]
    with pytest.raises(ValueError, match=r"b has classes x, y, expected class 0, class 1"):
        report.confusion_of_methods(results.assign(per_class_f1=other))
    with pytest.raises(ValueError, match=r"matrix of b has shape \(1, 1\), expected \(2, 2\)"):
        report.confusion_of_methods(results.assign(confusion=[np.eye(2, dtype=int), [[1]]]))


def test_numbers_of_numpy_print_as_numbers():
    assert number(np.float64(0.5)) == "0.500"
    assert number(np.int64(3)) == "3"
    assert number(None) == number(np.float32("nan")) == DASH
