"""The pictures of the README show what the results and the views say."""

import re

import pytest

from benchmarks.pictures import BUDGETS, FOLDER, METHODS, PICTURES, SEED, VIEWS, picture
from benchmarks.suite_page import TITLES, results
from benchmarks.views_page import windows_by_class
from tests.support.views import seeded
from tsclr.datasets import Synthetic

LIMIT = 60_000


def texts(svg: str) -> list[str]:
    return re.findall(r"<(?:text|title|desc)[^>]*>([^<]*)<", svg)


@pytest.mark.parametrize("name", PICTURES)
def test_the_file_is_up_to_date_small_and_self_contained(name: str) -> None:
    svg = (FOLDER / f"{name}.svg").read_text()
    assert texts(svg) == texts(picture(name)), "run python -m benchmarks.pictures"
    assert len(svg.encode()) < LIMIT
    assert set(re.findall(r"https?://[^\"]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert "var(" not in svg
    assert "</desc><rect" not in svg  # no background: the page is white or black


def test_no_other_picture_is_there() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(PICTURES)


def test_the_lines_of_the_label_budget_picture_are_the_results() -> None:
    scores = {
        (row["dataset"], row["method"], row["head"], row["budget"]): row["macro_f1_mean"]
        for row in (results() or {})["rows"]
    }
    axes_of_datasets = PICTURES["label-budget"][0]().axes
    for axes, dataset in zip(axes_of_datasets, TITLES, strict=True):
        for line, (method, head) in zip(axes.lines, METHODS, strict=True):
            expected = [scores[dataset, method, head, budget] for budget in BUDGETS]
            assert list(line.get_ydata()) == expected


def test_the_lines_of_the_views_picture_are_the_views() -> None:
    window = windows_by_class()["running"]
    panels = PICTURES["views"][0]().axes[1:]
    for axes, view in zip(panels, VIEWS, strict=True):
        assert axes.get_title(loc="left") == type(view).__name__
        expected = view.for_channels(Synthetic.channels)(window[None], seeded(SEED))[0, :3]
        plotted = [line.get_ydata() for line in axes.lines[3:]]
        for line, values in zip(plotted, expected.numpy(), strict=True):
            assert (line == values).all()
