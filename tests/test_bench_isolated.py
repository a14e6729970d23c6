"""Heads and classifiers of the user's own: each fit has a process of its own."""

from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

from tests.support import leaks
from tests.support.suites import scored, suite_on
from tsclr.bench.fitted import guarded
from tsclr.bench.isolated import Isolated
from tsclr.bench.methods import HandFeatures
from tsclr.data.splits import LeakError
from tsclr.evaluate.heads.linear import LinearHead

CHANCE = 0.3
"""No method that knows nothing reaches this macro F1 on seven classes."""


def scores_under(head: str, store: Path, folder: Path) -> dict[str, Any]:
    suite = suite_on(
        store, methods={"hand": HandFeatures()}, heads=[f"{leaks.__name__}.{head}"], budgets=["1"]
    )
    return scored(suite, folder)


def test_a_head_whose_test_windows_affect_one_another_is_refused(
    tiny_store: Path, tmp_path: Path
) -> None:
    with pytest.raises(LeakError, match="the class of a window changes with the other windows"):
        scores_under("JointHead", tiny_store, tmp_path)


def test_a_head_that_cannot_be_sent_says_what_to_do(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(?s)KNeighborsClassifier\(.* top of a module"):
        scores_under("LambdaHead", tiny_store, tmp_path)


def test_a_head_fails_and_warns_as_if_it_were_fitted_here(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="two steps are few"):
        rows = scores_under("HastyHead", tiny_store, tmp_path / "warns")["rows"]
    assert rows[0]["macro_f1_mean"] > CHANCE
    assert set(rows[0]["chosen"].values()) == {"Hasty()"}
    with pytest.raises(ValueError, match=r"^KeyError: 'seven'$") as caught:
        scores_under("FailingHead", tiny_store, tmp_path / "fails")
    assert 'raise KeyError("seven")' in str(caught.value.__cause__)


def test_a_head_that_claims_to_be_ours_is_not() -> None:
    claimed = type("LinearHead", (), {"__module__": LinearHead.__module__})
    for maker, expected in ((claimed(), Isolated), (LinearHead(), LogisticRegression)):
        (classifier,) = guarded(maker, [LogisticRegression()])
        assert type(classifier) is expected
