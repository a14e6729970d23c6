import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.neighbors import KNeighborsClassifier

from tsclr.encoders import CNN1d
from tsclr.evaluate.heads import EncoderHead, FeatureHead, find_head, registered_heads
from tsclr.evaluate.heads.neighbours import KNNHead
from tsclr.evaluate.heads.propagation import (
    TOLERANCE,
    Propagation,
    PropagationHead,
    neighbour_graph,
)
from tsclr.evaluate.heads.prototype import Prototype
from tsclr.evaluate.staged import Staged

HEADS = [head for head in registered_heads().values() if head.__module__.startswith("tsclr.")]
FROZEN = [head for head in HEADS if issubclass(head, FeatureHead)]
TRAINED = [head for head in HEADS if issubclass(head, EncoderHead)]


def test_every_head_reads_features_or_trains_an_encoder_and_has_a_name() -> None:
    assert {*FROZEN, *TRAINED} == set(HEADS)
    assert not {*FROZEN} & {*TRAINED}
    names = [head.name for head in HEADS]
    assert len(set(names)) == len(names) == len(HEADS)
    for head in HEADS:
        assert isinstance(find_head(head.name), head)
        assert head.__doc__


def test_a_head_of_ones_own_is_named_by_its_class_path() -> None:
    assert isinstance(find_head("tsclr.evaluate.heads.neighbours.KNNHead"), KNNHead)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("liner", "no head 'liner': did you mean linear"),
        ("nowhere.SVM", "no head 'nowhere.SVM': No module named 'nowhere'"),
        ("tsclr.evaluate.heads.KNN", "no head .*has no attribute 'KNN'"),
        ("sklearn.svm.SVC", "sklearn.svm.SVC is not a head: subclass FeatureHead or EncoderHead"),
        ("tsclr.evaluate.heads.Head", "is not a head"),
        ("tsclr.evaluate.heads.FeatureHead", "FeatureHead lacks classifiers: define it"),
    ],
)
def test_what_is_no_head_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_head(name)


def test_neighbours_are_never_more_than_labels() -> None:
    assert [classifier.n_neighbors for classifier in KNNHead().classifiers(6)] == [1, 5]


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three classes that are easy to tell apart, twenty rows each."""
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    return generator.normal(size=(60, 8)) + 6 * np.eye(3, 8)[y], y


@pytest.mark.parametrize("head", FROZEN, ids=lambda head: head.name)
@pytest.mark.parametrize("n_labels", [3, 30])
def test_every_frozen_head_learns_from_one_label_a_class(
    head: type[FeatureHead], n_labels: int, blobs: tuple
) -> None:
    X, y = blobs
    drawn = np.concatenate([np.flatnonzero(y == label)[: n_labels // 3] for label in range(3)])
    classifiers = head().classifiers(len(drawn))
    assert classifiers
    for unfitted in classifiers:
        classifier = clone(unfitted)
        if head.sees_unlabelled:
            classifier.fit(X, np.where(np.isin(np.arange(60), drawn), y, -1))
        else:
            classifier.fit(X[drawn], y[drawn])
        if n_labels == 30 or head.name not in ("forest", "extra-trees", "plain-linear"):
            assert (classifier.predict(X) == y).mean() > 0.8, unfitted


@pytest.mark.parametrize("head", TRAINED, ids=lambda head: head.name)
def test_every_encoder_head_is_scored_on_the_way(head: type[EncoderHead]) -> None:
    (classifier,) = head().classifiers(CNN1d(3, width=8))
    assert isinstance(classifier, Staged)
    steps = [stage.n_steps(40) for stage in classifier.stages()]
    assert len(set(steps)) == len(steps) == 15


@pytest.mark.parametrize("head", TRAINED, ids=lambda head: head.name)
def test_an_encoder_head_leaves_the_encoder_as_it_is(head: type[EncoderHead]) -> None:
    torch.manual_seed(0)
    encoder = CNN1d(3, width=4).eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    X = np.random.default_rng(0).normal(size=(8, 3, 64)).astype(np.float32)
    shortest = clone(head().classifiers(encoder)[0]).stages()[0]
    fitted = shortest.set_params(windows=128).fit(X, np.arange(8) % 2 + 3)
    assert set(fitted.predict(X)) <= {3, 4}
    assert all(torch.equal(before[name], t) for name, t in encoder.state_dict().items())


def test_a_prototype_is_the_mean_of_its_class(blobs: tuple) -> None:
    X, y = blobs
    fitted = Prototype().fit(X, y + 5)
    means = np.stack([X[y == label].mean(0) for label in range(3)])
    nearest = np.linalg.norm(X[:, None] - means, axis=2).argmin(1)
    assert (fitted.predict(X) == nearest + 5).all()


@pytest.fixture(scope="module")
def moons() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two moons, 400 rows and their classes, and the same with one label a class."""
    X, y = make_moons(400, noise=0.06, random_state=0)
    drawn = [np.flatnonzero(y == label)[0] for label in range(2)]
    return X, y, np.where(np.isin(np.arange(400), drawn), y, -1)


def slow_graph(X: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Rows joined where one is among the nearest of the other, pair by pair."""
    distances = np.linalg.norm(X[:, None] - X, axis=2)
    np.fill_diagonal(distances, np.inf)
    near = distances.argsort(1)[:, :n_neighbors]
    graph = np.zeros_like(distances)
    for row, others in enumerate(near):
        graph[row, others] = graph[others, row] = 1
    return graph


@pytest.mark.parametrize("n_neighbors", [1, 4])
@pytest.mark.parametrize("alpha", [0.2, 0.9, 0.99])
def test_propagation_is_the_closed_form_of_the_paper(n_neighbors: int, alpha: float) -> None:
    generator = np.random.default_rng(0)
    X, unseen = generator.normal(size=(120, 2)), generator.normal(size=(200, 2))
    given = np.where(np.arange(120) < 20, generator.integers(5, 8, 120), -1)
    fitted = Propagation(n_neighbors, alpha).fit(X, given)
    W = slow_graph(X, n_neighbors)
    degrees = W.sum(0)
    S = np.diag(degrees**-0.5) @ W @ np.diag(degrees**-0.5)
    Y = np.stack([given == label for label in (5, 6, 7)], axis=1)
    F = (1 - alpha) * np.linalg.inv(np.eye(120) - alpha * S) @ Y
    left = TOLERANCE / (1 - alpha)  # what steps that grow by a tolerance, then less, leave out
    assert (np.abs(fitted.mass_ - F).sum(1) <= left * F.sum(1)).all()

    near = np.linalg.norm(unseen[:, None] - X, axis=2).argsort(1)[:, :n_neighbors]
    votes = (F / degrees[:, None] ** 0.5)[near].sum(1)
    chosen = votes[np.arange(200), fitted.predict(unseen) - 5]
    assert votes.any(1).sum() > 50
    assert (chosen >= votes.max(1) - left * votes.sum(1)).all()


def test_labels_reach_every_window_that_is_connected_to_them() -> None:
    X = np.r_[np.arange(300.0), -4.0, 303.0][:, None]  # the labelled ends are nobody's neighbours
    y = np.r_[np.full(300, -1), 0, 1]
    fitted = Propagation(2).fit(X, y)
    assert (fitted.mass_.sum(1) > 0).all()
    assert (fitted.predict(X[:300]) == np.repeat([0, 1], 150)).all()


def test_labels_that_spread_tell_two_moons_apart(moons: tuple) -> None:
    X, _, given = moons
    unseen, truth = make_moons(400, noise=0.06, random_state=1)
    drawn = given >= 0
    nearest = KNeighborsClassifier(1).fit(X[drawn], given[drawn]).score(unseen, truth)
    assert Propagation(5).fit(X, given).score(unseen, truth) > 0.95 > 0.9 > nearest


def test_windows_to_classify_are_no_part_of_the_graph(moons: tuple) -> None:
    X, _, given = moons
    fitted = Propagation(5).fit(X, given)
    unseen = make_moons(20, noise=0.2, random_state=1)[0]
    assert fitted.predict(unseen).tolist() == [int(fitted.predict(row[None])[0]) for row in unseen]


def test_propagation_repeats_itself(moons: tuple) -> None:
    X, _, given = moons
    one, other = (clone(Propagation(5)).fit(X, given) for _ in range(2))
    assert (one.mass_ == other.mass_).all()


@pytest.mark.parametrize("labels", [[4], [4, -1], [4, 2], [4, -1, 2]])
def test_propagation_takes_fewer_windows_than_neighbours(labels: list[int]) -> None:
    X = 10.0 * np.arange(len(labels))[:, None]
    expected = [label for label in labels if label >= 0]
    for candidate in PropagationHead().classifiers(len(expected)):
        fitted = clone(candidate).fit(X, np.array(labels))
        assert set(fitted.predict(X)) <= set(expected)
        assert (fitted.mass_.sum(1) > 0).all()


def test_equal_windows_are_neighbours_but_never_of_themselves() -> None:
    graph = neighbour_graph(np.repeat([[0.0], [9.0]], 6, axis=0), 2).toarray()
    assert (graph == graph.T).all()
    assert not graph.diagonal().any()
    assert (graph.sum(1) >= 2).all()
    assert not graph[:6, 6:].any()


def test_windows_that_no_label_reaches_do_not_vote() -> None:
    X = np.array([[0.0], [0.1], [0.2], [50.0], [50.1], [50.2], [9.0]])
    y = np.array([0, -1, -1, -1, -1, -1, 1])
    fitted = Propagation(2).fit(X, y)
    assert (fitted.mass_[3:6] == 0).all()
    assert fitted.predict(np.array([[0.15], [60.0]])).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("settings", "labels", "message"),
    [
        ({"n_neighbors": 0}, [0, 1], "n_neighbors is 0, it must be at least 1"),
        ({"alpha": 0.0}, [0, 1], r"alpha is 0.0, it must be in \(0, 1\)"),
        ({"alpha": 1}, [0, 1], r"alpha is 1, it must be in \(0, 1\)"),
        ({}, [-1, -1], "none of 2 windows has a label: label one of each class"),
    ],
)
def test_propagation_says_what_it_cannot_spread(
    settings: dict, labels: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Propagation(**settings).fit(np.array([[0.0], [1.0]]), np.array(labels))
