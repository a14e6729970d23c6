import numpy as np
import pandas as pd
import pytest

from tsclr.report import cost_against_score, subject_scores
from tsclr.report.cost import LABELS
from tsclr.report.curve import spread


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [
        {"method": method, "subject": str(subject), "macro_f1": score}
        for method, each in {"random-init": [0.2, 0.3, 0.4], "SimCLR": [0.9, 0.5, 0.7]}.items()
        for subject, score in enumerate(each, 1)
    ]
    return pd.DataFrame(rows)


def test_methods_are_sorted_by_the_median_and_every_subject_is_a_dot(scores: pd.DataFrame) -> None:
    section = subject_scores(scores)
    axes = section.figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["SimCLR", "random-init"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata().tolist() for line in dots] == [[0.9, 0.5, 0.7], [0.2, 0.3, 0.4]]
    assert "from 0.500 (subject 2) to 0.900 (subject 1)" in section.reading
    assert section.table.frame["SimCLR"].tolist() == [0.9, 0.5, 0.7]


def test_no_score_by_subject_is_refused(scores: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="no row"):
        subject_scores(scores.iloc[:0])
    with pytest.raises(ValueError, match="no column 'subject'"):
        subject_scores(scores.drop(columns="subject"))


def test_cost_is_drawn_against_score() -> None:
    costs = pd.DataFrame({name: [1.0, 2.0] for name in LABELS})
    costs = costs.assign(method=["a", "b"], seconds=[0.0, 200.0], macro_f1=[0.5, 0.9])
    section = cost_against_score(costs)
    (dots,) = section.figure.axes[0].collections
    assert np.asarray(dots.get_offsets()).tolist() == [[0.1, 0.5], [200.0, 0.9]]
    assert section.table.frame.columns.tolist() == list(LABELS.values())


def test_times_of_one_decade_have_plain_marks() -> None:
    costs = pd.DataFrame({name: [1.0, 2.0] for name in LABELS})
    costs = costs.assign(method=["a", "b"], seconds=[0.12, 0.35], macro_f1=[0.5, 0.9])
    figure = cost_against_score(costs).figure
    figure.draw_without_rendering()
    (axes,) = figure.axes
    marks = [
        mark.get_text() for mark in (*axes.get_xmajorticklabels(), *axes.get_xminorticklabels())
    ]
    assert "0.3" in marks
    assert not any("math" in mark for mark in marks)


def test_names_keep_their_distance_and_their_order() -> None:
    values = [0.9, 0.1, 0.1, 0.12, 0.5]
    heights = spread(values, 0.1)
    assert np.diff(np.sort(heights)).min() >= 0.1 - 1e-12
    assert (np.argsort(heights) == np.argsort(values, kind="stable")).all()
    assert heights[4] == 0.5
