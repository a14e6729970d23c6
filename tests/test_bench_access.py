"""Methods that leak, or give no features: each really does it, and each is found out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from tests.support.suites import scored, suite_on
from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.audit import audit_results
from tsclr.bench.methods import HandFeatures, Method
from tsclr.bench.runner import bench
from tsclr.data.splits import LeakError
from tsclr.data.windows import all_of
from tsclr.embed.encode import encode
from tsclr.encoders import Statistics


class Leaky(HandFeatures):
    """Standardises by the moments of everybody."""

    def learn(self, access: FoldAccess) -> Representation:
        encoder = Statistics(len(access.input_spec.channels), access.input_spec.sample_rate)
        everybody = (*access.split.train, *access.split.validation, *access.split.test)
        moments = StandardScaler().fit(encode(encoder, access.note("statistics", everybody)))
        return Representation(lambda windows: moments.transform(encode(encoder, windows)))


class Peeking(HandFeatures):
    """Trains until the loss on test subjects is lowest."""

    def learn(self, access: FoldAccess) -> Representation:
        torch.manual_seed(0)
        train = all_of(access.note("pretraining", access.split.train))
        test = all_of(access.note("choice", access.split.test))
        mean, losses, best = np.zeros_like(train[0]), [], None
        for _ in range(5):
            mean = mean + 0.3 * (train.mean(0) - mean)
            losses.append(float(((test - mean) ** 2).mean()))
            best = mean if losses[-1] == min(losses) else best
        return Representation(lambda windows: (all_of(windows) - best).std(2))


class Greedy(HandFeatures):
    """Learns from the streams of test subjects and does not say so."""

    def learn(self, access: FoldAccess) -> Representation:
        streams = all_of(access.note("pretraining", access.split.test))
        axes = PCA(8).fit(streams.reshape(len(streams), -1))
        return Representation(
            lambda windows: axes.transform(all_of(windows).reshape(len(windows), -1))
        )


class Joint(HandFeatures):
    """Standardises by the moments of all windows that are embedded, test and all."""

    def learn(self, access: FoldAccess) -> Representation:
        encoder = Statistics(len(access.input_spec.channels), access.input_spec.sample_rate)
        return Representation(
            lambda windows: StandardScaler().fit_transform(encode(encoder, windows))
        )


class Curious(HandFeatures):
    """Keeps what it is shown."""

    def learn(self, access: FoldAccess) -> Representation:
        self.access, self.shown = access, [access.note("statistics", access.split.train)]
        return Representation(lambda windows: self.shown.append(windows) or all_of(windows).std(2))


class Hidden(Joint):
    """The same beside a feature that is large."""

    def learn(self, access: FoldAccess) -> Representation:
        joint = super().learn(access).embed
        return Representation(
            lambda windows: np.hstack([joint(windows), np.full((len(windows), 1), 1e9)])
        )


@pytest.mark.parametrize("kind", [Joint, Hidden])
def test_features_that_depend_on_the_test_are_refused(
    kind: Callable[[], Method], tiny_store: Path, tmp_path: Path
) -> None:
    suite = suite_on(tiny_store, methods={"joint": kind()}, budgets=["1"])
    with pytest.raises(LeakError, match="change with the other windows of its batch"):
        scored(suite, tmp_path)


class Wrong(HandFeatures):
    """Gives what `spoil` makes of good features."""

    def __init__(self, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__()
        self.spoil = spoil

    def key(self) -> dict[str, object]:
        return {}

    def learn(self, access: FoldAccess) -> Representation:
        return Representation(lambda windows: self.spoil(all_of(windows).std(2)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda good: None, r"features have shape \(\), expected"),
        (lambda good: good[1:].tolist(), r"features have shape \(\d+, 6\), expected \(\d+, F\)"),
        (lambda good: np.log(good - good), r"features of (\d+) of \1 windows are NaN or infinite"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_features_that_are_none_are_refused(
    spoil: Callable[[np.ndarray], np.ndarray], message: str, tiny_store: Path, tmp_path: Path
) -> None:
    suite = suite_on(tiny_store, methods={"wrong": Wrong(spoil)}, budgets=["1"])
    with pytest.raises(ValueError, match=message):
        scored(suite, tmp_path)


def test_a_method_that_gives_no_encoder_is_told_what_to_say(
    tiny_store: Path, tmp_path: Path
) -> None:
    method = Wrong(lambda good: good)
    suite = suite_on(tiny_store, methods={"flat": method}, budgets=["1"], segmentation=0.64)
    with pytest.raises(ValueError, match=r"no encoder to segment with: .* encodes = False in its"):
        scored(suite, tmp_path)


def test_no_method_is_shown_a_label(tiny_store: Path, tmp_path: Path) -> None:
    method = Curious()
    scored(suite_on(tiny_store, methods={"curious": method}, budgets=["1"]), tmp_path)
    assert len(method.shown) == 3
    for windows in method.shown:
        assert (windows.labels == -1).all()
        assert (windows.store.labels == -1).all()
    for take in (method.access.sample, method.access.pretraining_data):
        with pytest.raises(LeakError, match="what is taken later is missing in the provenance"):
            take()


def test_the_command_fails_where_a_method_leaks(tiny_store: Path, tmp_path: Path) -> None:
    suite = suite_on(tiny_store, methods={"greedy": Greedy()}, budgets=["all"])
    with pytest.raises(LeakError, match=r"store, group 1 of 2, greedy has leaked \(.*subject"):
        bench(suite, tmp_path)
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("kind", "role"), [(Leaky, "statistics"), (Peeking, "choice"), (Greedy, "pretraining")]
)
def test_a_method_that_leaks_is_found_out(
    kind: Callable[[], Method], role: str, tiny_store: Path, tmp_path: Path
) -> None:
    suite = suite_on(tiny_store, methods={"leaky": kind()}, budgets=["1"])
    results = scored(suite, tmp_path)
    assert not all(results["units"][0]["certificate"]["checks"].values())
    with pytest.raises(LeakError, match=role):
        audit_results(tmp_path)
