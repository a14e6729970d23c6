"""The critical-difference diagram: ranks where they belong, nothing overlaps, honest words."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D

from tsclr.evaluate.ranks import average_ranks, groups
from tsclr.evaluate.ranks import critical_difference as nemenyi
from tsclr.report.critical_difference import critical_difference
from tsclr.report.look import ACCENT, SOFT, to_svg
from tsclr.report.page import write_report

LONG = "SupervisedContrastiveLearning with PairWhitening and Mixing"


def some_scores(
    n_methods: int, n_blocks: int, apart: float = 3.0, name: str = "method"
) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(n_methods, n_blocks))
    values += apart * np.linspace(1, 0, n_methods)[:, None]
    names = [f"{name} {place}" for place in range(n_methods - 1)]
    columns = [f"dataset {place}" for place in range(n_blocks)]
    return pd.DataFrame(values, index=[*names, "random-init CNN1d"], columns=columns)


def bars_of(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if line.get_color() == ACCENT]


def elbows_of(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if len(np.asarray(line.get_xdata())) == 3]


def one_block_short(scores: pd.DataFrame) -> pd.DataFrame:
    scores.iloc[1, 0] = np.nan
    return scores


@pytest.mark.parametrize("n_methods", [2, 3, 8, 20])
def test_every_method_hangs_from_its_rank(n_methods):
    scores = some_scores(n_methods, 6)
    (axes,) = critical_difference(scores).figure.axes
    average = average_ranks(scores).average
    elbows = elbows_of(axes)
    drawn = [(np.asarray(line.get_xdata())[0], np.asarray(line.get_ydata())[0]) for line in elbows]
    np.testing.assert_allclose(drawn, [(rank, 0) for rank in average])
    ends = [np.asarray(line.get_xdata())[-1] for line in elbows]
    n_left = (n_methods + 1) // 2
    assert ends == [1] * n_left + [n_methods] * (n_methods - n_left)
    texts = [text.get_text() for text in axes.texts]
    for method, rank in average.items():
        assert sum(method in text and f"{rank:.2f}" in text for text in texts) == 1


@pytest.mark.parametrize("n_blocks", [4, 40])
def test_bars_are_those_of_nemenyi(n_blocks):
    scores = some_scores(8, n_blocks)
    section = critical_difference(scores)
    average = average_ranks(scores).average
    expected = groups(average, nemenyi(8, n_blocks))
    bars = bars_of(section.figure.axes[0])
    assert len(bars) == len(expected) > 0
    for bar, group in zip(bars, expected, strict=True):
        start, stop = np.asarray(bar.get_xdata())
        under = average.index[(average >= start) & (average <= stop)]
        assert list(under) == group
    frame = section.table.frame.set_index("method")
    for place, group in enumerate(expected, 1):
        told = [name for name, bars in frame["bars"].items() if str(place) in (bars or "")]
        assert told == group


def test_the_critical_difference_is_drawn_to_scale_or_said_to_be_too_long():
    (axes,) = critical_difference(some_scores(8, 6)).figure.axes
    scale = [line for line in axes.lines if line.get_marker() == "|"]
    assert np.ptp(np.asarray(scale[0].get_xdata())) == pytest.approx(nemenyi(8, 6))
    (axes,) = critical_difference(some_scores(3, 2)).figure.axes
    assert not [line for line in axes.lines if line.get_marker() == "|"]
    assert "critical difference 2.34, longer than the axis" in [t.get_text() for t in axes.texts]


@pytest.mark.parametrize(
    "scores",
    [
        some_scores(2, 5, name=LONG),
        some_scores(3, 2, name=LONG),
        some_scores(8, 6, name=LONG),
        some_scores(8, 6, apart=0, name=LONG),
        some_scores(20, 40, apart=4, name=LONG),
        some_scores(20, 30, apart=1, name=LONG).round(),
        some_scores(40, 20, name=LONG),
    ],
    ids=lambda scores: f"{scores.shape[0]} methods, {scores.shape[1]} datasets",
)
def test_no_text_overlaps_another_or_leaves_the_picture(scores):
    figure = critical_difference(scores).figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (axes,) = figure.axes
    renderer = canvas.get_renderer()
    texts = [*axes.texts, *axes.get_xticklabels(), axes.xaxis.label]
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in texts}
    assert len(boxes) == len(texts)
    for (one, box), (other, beside) in combinations(boxes.items(), 2):
        assert not box.overlaps(beside), (one, other)
    for text, box in boxes.items():
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1, text
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1, text
    for bar, line in combinations(bars_of(axes), 2):
        assert not bar.get_window_extent(renderer).overlaps(line.get_window_extent(renderer))
    lowest_bar = min((bar.get_window_extent(renderer).y0 for bar in bars_of(axes)), default=np.inf)
    names = [boxes[text.get_text()] for text in axes.texts if "critical" not in text.get_text()]
    assert max(box.y1 for box in names) < lowest_bar


def test_lines_of_names_do_not_cross():
    (axes,) = critical_difference(some_scores(20, 40)).figure.axes
    for one, other in combinations(elbows_of(axes), 2):
        for (_, lower, end), height, down, depth in (
            (one.get_xdata(), one.get_ydata()[1], other.get_xdata()[0], other.get_ydata()[1]),
            (other.get_xdata(), other.get_ydata()[1], one.get_xdata()[0], one.get_ydata()[1]),
        ):
            crosses = min(lower, end) < down < max(lower, end) and height < depth
            assert not crosses


def test_a_baseline_is_grey():
    scores = some_scores(5, 6)
    (axes,) = critical_difference(scores, [scores.index[-1]]).figure.axes
    grey = [text.get_text() for text in axes.texts if text.get_color() == SOFT]
    assert len(grey) == 1
    assert "random-init CNN1d" in grey[0]


def test_reading_tells_the_tests_and_how_little_few_datasets_prove():
    few = critical_difference(some_scores(5, 6, apart=8)).reading
    assert "Average rank of 5 methods over 6 datasets; 1 is best." in few
    assert "p < 0.001. A bar joins" in few
    assert f"differ by at most {nemenyi(5, 6):.2f}" in few
    assert "fewer than 10 datasets the tests have little power" in few
    many = critical_difference(some_scores(5, 20)).reading
    assert "power" not in many
    assert "left out" not in many


def test_without_a_difference_at_all_one_bar_joins_all():
    orders = np.outer(np.arange(6.0), [1, -1, 1, -1, 1])  # three blocks one way, two the other
    scores = pd.DataFrame(orders, index=[f"method {place}" for place in range(6)])
    section = critical_difference(scores)
    assert "no difference is proven and one bar joins all" in section.reading
    assert len(bars_of(section.figure.axes[0])) == 1
    assert (section.table.frame["bars"] == "1").all()
    assert "p = 1.000" in critical_difference(scores * 0).reading


def test_nemenyi_tells_nothing_apart_where_friedman_finds_no_difference():
    """Rank sums 13, 18, 23 over 9 blocks: χ² = 5.56, F(2, 16) = 3.57, yet 10 / 9 > 1.105."""
    ranks = np.array([[1, 2, 3]] * 6 + [[2, 3, 1], [2, 1, 3], [3, 2, 1]]).T
    scores = pd.DataFrame(-ranks, index=["a", "b", "c"])
    assert np.ptp(average_ranks(scores).average) > nemenyi(3, 9)
    section = critical_difference(scores)
    assert "p = 0.052, so no difference is proven" in section.reading
    assert (section.table.frame["bars"] == "1").all()


@pytest.mark.parametrize(
    ("n_methods", "n_blocks", "reason"),
    [(2, 6, "3 methods or more, got 2"), (4, 1, "2 datasets or more, got 1")],
)
def test_where_nothing_can_be_tested_ranks_are_drawn_without_bars(n_methods, n_blocks, reason):
    section = critical_difference(some_scores(n_methods, n_blocks))
    assert f"Nothing is tested: rank tests take {reason}" in section.reading
    assert "power" not in section.reading
    (axes,) = section.figure.axes
    assert not bars_of(axes)
    assert "critical" not in " ".join(text.get_text() for text in axes.texts)
    assert section.table.frame["bars"].isna().all()


def test_budgets_of_one_dataset_are_said_to_depend_on_each_other():
    scores = some_scores(4, 12)
    scores.columns = pd.MultiIndex.from_product([["hapt", "wisdm", "pamap"], [1, 5, 10, "all"]])
    reading = critical_difference(scores).reading
    assert "over 12 blocks of 3 datasets" in reading
    assert "Blocks of one dataset share its subjects, but the tests assume independent" in reading
    assert "not independent" not in critical_difference(some_scores(4, 12)).reading


def test_blocks_that_lack_a_method_are_left_out_and_counted():
    section = critical_difference(one_block_short(some_scores(4, 6)))
    assert "over 5 datasets" in section.reading
    assert "Blocks left out because a method has no score: 1." in section.reading
    scores = some_scores(2, 2)
    scores.iloc[0, 0] = scores.iloc[1, 1] = np.inf
    nothing = critical_difference(scores)
    assert (nothing.figure, nothing.table) == (None, None)
    assert nothing.reading == "None of 2 blocks has a score of every method."


def test_table_has_the_ranks_best_first():
    scores = pd.DataFrame([[0.2, 0.5], [0.9, 0.5], [0.3, 0.1]], index=["a", "b", "c"])
    frame = critical_difference(scores).table.frame
    assert frame.iloc[:, :4].to_numpy().tolist() == [
        ["b", 1.25, 1.0, 1.5],
        ["a", 2.25, 1.5, 3.0],
        ["c", 2.5, 2.0, 3.0],
    ]


def test_description_tells_best_and_worst():
    scores = some_scores(5, 6, apart=30)
    section = critical_difference(scores)
    assert (
        "of 5 methods: method 0 ranks best with 1.00, random-init CNN1d ranks worst with 5.00"
        in (section.description)
    )


def test_scores_that_cannot_be_ranked_are_refused():
    with pytest.raises(ValueError, match="ranks take 2 methods or more, got 1"):
        critical_difference(some_scores(1, 3))
    with pytest.raises(ValueError, match="method 'method 0' has more than one row"):
        critical_difference(some_scores(3, 4).rename({"method 1": "method 0"}))


def test_it_is_a_section_of_a_page_and_follows_its_theme(tmp_path):
    section = critical_difference(some_scores(8, 6, name="a$b_1$ <script>"))
    page = write_report(tmp_path / "r.html", "T", "S", [section], {}).read_text()
    assert "Average ranks over datasets" in page
    assert "<script" not in page
    assert "a$b_1$ &lt;script" in page
    assert "var(--accent)" in to_svg(section.figure, "f", section.title, section.description)
