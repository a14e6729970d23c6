import numpy as np
import pytest
from sklearn.base import clone

from tsclr.encoders import CNN1d
from tsclr.heads import FROZEN, SEES_UNLABELLED, TRAINED, Propagation, Prototype


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three classes that are easy to tell apart, twenty rows each."""
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    return generator.normal(size=(60, 8)) + 6 * np.eye(3, 8)[y], y


@pytest.mark.parametrize("head", FROZEN)
@pytest.mark.parametrize("n_labels", [3, 30])
def test_every_frozen_head_learns_from_one_label_a_class(
    head: str, n_labels: int, blobs: tuple
) -> None:
    X, y = blobs
    drawn = np.concatenate([np.flatnonzero(y == label)[: n_labels // 3] for label in range(3)])
    candidates = FROZEN[head](len(drawn))
    assert candidates
    for candidate in candidates:
        classifier = clone(candidate)
        if head in SEES_UNLABELLED:
            classifier.fit(X, np.where(np.isin(np.arange(60), drawn), y, -1))
        else:
            classifier.fit(X[drawn], y[drawn])
        if n_labels == 30 or head not in ("forest", "plain-linear"):
            assert (classifier.predict(X) == y).mean() > 0.8, candidate


@pytest.mark.parametrize("head", TRAINED)
def test_every_trained_head_has_candidates_that_differ(head: str) -> None:
    candidates = TRAINED[head](CNN1d(3, width=8))
    assert len({str(candidate.get_params()) for candidate in candidates}) == len(candidates) > 1


def test_a_prototype_is_the_mean_of_its_class(blobs: tuple) -> None:
    X, y = blobs
    fitted = Prototype().fit(X, y + 5)
    means = np.stack([X[y == label].mean(0) for label in range(3)])
    nearest = np.linalg.norm(X[:, None] - means, axis=2).argmin(1)
    assert (fitted.predict(X) == nearest + 5).all()


def test_windows_that_no_label_reaches_do_not_vote() -> None:
    X = np.array([[0.0], [0.1], [0.2], [50.0], [50.1], [50.2], [9.0]])
    y = np.array([0, -1, -1, -1, -1, -1, 1])
    fitted = Propagation(2).fit(X, y)
    assert np.isfinite(fitted.votes_).all()
    assert fitted.predict(np.array([[0.15], [60.0]])).tolist() == [0, 1]
