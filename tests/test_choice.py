"""What is chosen on validation subjects, where it lies in its grid, and how often it is fitted."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier

from tsclr.bench.choices import choices, warn_of_ends
from tsclr.data.splits import Split
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.evaluate.grids import ends, fitted_ends, reseeded, seeds_of
from tsclr.evaluate.staged import Staged, Trainer
from tsclr.evaluate.task import Candidate, Task, scored_stages


class Oracle(ClassifierMixin, BaseEstimator):
    """Tells the truth with some probability; its input is the truth."""

    def __init__(self, accuracy: float = 1.0, seed: int = 0) -> None:
        self.accuracy = accuracy
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Oracle":
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        generator = np.random.default_rng(self.seed)
        luck = generator.random(len(X)) < self.accuracy
        return np.where(luck, X, generator.integers(0, 3, len(X)))


class Ladder(Staged):
    """A classifier of so many stages, whose score at each stage is given."""

    patience = 2
    length = "rungs"
    trained = 0
    """How many stages all of them have been trained for."""

    def __init__(self, scores: tuple[float, ...], rungs: int, seed: int = 0) -> None:
        self.scores = scores
        self.rungs = rungs
        self.seed = seed

    def lengths(self) -> list[int]:
        return list(range(1, self.rungs + 1))

    def n_steps(self, n_windows: int) -> int:
        return self.rungs

    def begin(self, windows: Any, labels: Any) -> Trainer:
        raise NotImplementedError

    def fit_stages(self, X: np.ndarray, y: np.ndarray, stages: Any) -> Any:
        for stage in stages:
            Ladder.trained += 1
            self.reached = stage.rungs
            yield self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return Oracle(self.scores[self.reached - 1]).predict(X)


@pytest.fixture
def task(tiny_store: Path) -> Task:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    split = Split(("01", "02"), ("03",), ("04",))
    return Task(windows, windows.store.classes, split, draws=4, seeds=3)


@pytest.mark.parametrize("best", [0, 1, 2])
def test_the_best_on_validation_is_chosen(task: Task, best: int) -> None:
    grid = [Oracle(1.0 if index == best else 0.6) for index in range(3)]
    choice = Candidate(task.windows.labels, lambda _: grid).select(task, 5)
    assert choice.classifier is grid[best]
    assert choice.score == 1.0


def test_the_score_of_a_choice_is_the_mean_over_validation_turns(task: Task) -> None:
    grid = [Oracle(0.6), Oracle(0.2)]
    candidate = Candidate(task.windows.labels, lambda _: grid)
    trials = [
        candidate._trial(task, 5, *task.folds()[draw % 3], draw, ("choice", "choice"))
        for draw in range(4)
    ]
    expected = np.mean([trial.score(trial.fit(grid[0])) for trial in trials])
    assert candidate.select(task, 5).score == expected


@pytest.mark.parametrize(
    ("scores", "chosen", "n_trained"),
    [
        ((0.3, 0.5, 0.9, 0.4, 0.5, 1.0), 3, 5),  # two without a better score: the last is not tried
        ((0.3, 0.5, 0.4, 0.9, 1.0), 5, 5),
        ((0.9, 0.1, 0.1, 0.1, 0.1), 1, 3),
    ],
)
def test_a_training_ends_when_longer_is_no_better(
    task: Task, scores: tuple[float, ...], chosen: int, n_trained: int
) -> None:
    Ladder.trained = 0
    candidate = Candidate(task.windows.labels, lambda _: [Ladder(scores, len(scores))])
    choice = candidate.select(task, 5)
    assert choice.classifier.rungs == chosen
    assert Ladder.trained == n_trained * 4  # trials
    at_end = {1: ["rungs = 1, the smallest"], len(scores): [f"rungs = {chosen}, the largest"]}
    assert choice.ends == at_end.get(chosen, [])


def test_stages_of_several_classifiers_are_all_choices(task: Task) -> None:
    grid = [Ladder((0.2, 0.3), 2), Ladder((0.4, 0.9), 2)]
    choice = Candidate(task.windows.labels, lambda _: grid).select(task, 5)
    assert (choice.classifier.scores, choice.classifier.rungs) == ((0.4, 0.9), 2)


def test_a_grid_of_one_is_no_choice(task: Task) -> None:
    choice = Candidate(task.windows.labels, lambda _: [Oracle()]).select(task, 5)
    assert (choice.score, choice.ends) == (None, [])


def test_an_end_is_named_unless_nothing_lies_beyond() -> None:
    grid = [KNeighborsClassifier(k) for k in (1, 5, 15)]
    assert ends(grid[0], grid) == ["n_neighbors = 1, the smallest"]
    assert ends(grid[0], grid, {"n_neighbors": 1}) == []
    assert ends(grid[1], grid) == []
    assert ends(grid[2], grid[:2] + grid[2:]) == ["n_neighbors = 15, the largest"]
    pair = grid[:2]  # of two values each is an end: neither is bracketed
    assert ends(pair[1], pair, {"n_neighbors": 1}) == ["n_neighbors = 5, the largest"]


def test_what_a_classifier_chose_itself_has_ends_too() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    inside = RidgeClassifierCV(alphas=[1e-9, 1.0, 1e9]).fit(X, y)
    assert fitted_ends(inside) == []
    beyond = RidgeClassifierCV(alphas=[1e6, 1e7]).fit(X, y)
    assert fitted_ends(beyond) == ["alpha = 1e+06, the smallest"]


def test_seeds_follow_the_draws() -> None:
    assert seeds_of(RandomForestClassifier()) == {}  # no number: seeded by the caller, or not
    forest = reseeded(RandomForestClassifier(random_state=5), 2)
    assert forest.random_state == 7


def test_a_random_classifier_is_fitted_with_several_seeds_where_there_is_one_draw(
    task: Task,
) -> None:
    labels = task.windows.labels
    random = Candidate(labels, lambda _: []).evaluate(Oracle(0.6), task, None)
    assert (len(random.counts), random.seeds) == (3, 3)
    assert len({counts.tobytes() for counts in random.counts}) == 3
    fixed = Candidate(labels[:, None], lambda _: []).evaluate(KNeighborsClassifier(1), task, None)
    assert (len(fixed.counts), fixed.seeds) == (1, 1)


def test_label_draws_differ(task: Task) -> None:
    features = np.random.default_rng(0).normal(size=(len(task.windows), 4))
    scored = Candidate(features, lambda _: []).evaluate(KNeighborsClassifier(1), task, 2)
    assert (len(scored.counts), scored.seeds) == (4, 1)
    assert len({counts.tobytes() for counts in scored.counts}) == 4


def test_no_stage_is_scored_twice(task: Task) -> None:
    ladder = Ladder((0.3, 0.6, 0.5, 0.5, 0.9), 5)
    candidate = Candidate(task.windows.labels, lambda _: [ladder])
    trial = candidate._trial(task, 5, ["01"], ["02"], 0, ("choice", "choice"))
    lengths = [stage.rungs for stage, _ in scored_stages(ladder.stages(), [trial])]
    assert lengths == [1, 2, 3, 4]


def cell(ends: list[str], pretrained: tuple[str, ...] = ()) -> dict[str, Any]:
    validation = {name: name in pretrained for name in ("a", "b", "c")}
    return {"chosen": "x", "ends": ends, "validation_macro_f1": 0.8, "validation": validation}


def test_a_row_says_where_choices_lie_and_who_was_pretrained_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    high = "C = 100, the largest"
    cells = {"seed 0": cell([high], ("a", "b", "z")), "seed 1": cell([], ("a", "z"))}
    found = choices(cells)
    assert (found["ends"], found["at_grid_end"]) == ({"seed 0": [high]}, 1)
    assert (found["validation_subjects"], found["validation_pretrained"]) == (3, 2)
    assert found["validation_macro_f1"] == pytest.approx(0.8)
    with caplog.at_level(logging.WARNING):
        warn_of_ends([{"method": "m", "head": "linear"} | found] * 2)
    assert "m, head linear: of 4 choices some lie at an end" in caplog.text
    assert "C = 100, the largest (2 times)" in caplog.text
    caplog.clear()
    warn_of_ends([{"method": "m", "head": "linear"} | choices({"f": cell([])})])
    assert not caplog.text
