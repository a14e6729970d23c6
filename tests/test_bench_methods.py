"""The methods of a suite, one by one."""

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from tests.support.suites import CONFIG, scored, suite_on
from tsclr.audit.ledger import read as read_ledger
from tsclr.bench.audit import audit_results
from tsclr.bench.cache import source_digest
from tsclr.bench.methods import (
    Catch24,
    FromTransformer,
    Hydra,
    Method,
    MiniRocket,
    Pretrained,
    Quant,
    SupervisedCNN,
    TsfreshMinimal,
)
from tsclr.bench.methods.whar_arena import minimal_features
from tsclr.bench.protocols import GivenSubjects
from tsclr.bench.runner import bench
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.specs import subclasses

SHIPPED = [kind for kind in subclasses(Method).values() if kind.__module__.startswith("tsclr.")]


def test_two_methods_of_one_pretraining_take_turns(tiny_store: Path, tmp_path: Path) -> None:
    methods = {
        "plain": Pretrained(CONFIG, epochs=1),
        "whitened": Pretrained(CONFIG, epochs=1, whiten=True),
    }
    suite = suite_on(tiny_store, methods=methods, budgets=["1"])
    bench(suite, tmp_path, jobs=2)
    results = json.loads((tmp_path / "results.json").read_text())
    assert {row["method"] for row in results["rows"]} == set(methods)
    assert len(list((tmp_path / "runs").glob("*/checkpoint.safetensors"))) == 2


def test_transductive_pretraining_is_named_and_sees_the_test(
    tiny_store: Path, tmp_path: Path
) -> None:
    method = Pretrained(CONFIG, epochs=1, sees_test_streams=True)
    results = scored(suite_on(tiny_store, methods={"all": method}, budgets=["1"]), tmp_path)
    assert {row["method"] for row in results["rows"]} == {"all (transductive)"}
    assert audit_results(tmp_path)["transductive"].all()
    for unit in results["units"]:
        frame = read_ledger(tmp_path / unit["provenance"])
        seen = {role: set(rows["subject"]) for role, rows in frame.groupby("role")}
        assert seen["test"] < seen["pretraining"]
    assert "except by transductive methods" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("kind", "n_features"),
    [(MiniRocket, 9996), (Catch24, 6 * 24), (Quant, None), (Hydra, 4 * 2 * 2 * 256)],
)
def test_methods_of_aeon_are_scored_where_it_is_there(
    kind: type[Method], n_features: int | None, tiny_store: Path, tmp_path: Path
) -> None:
    pytest.importorskip("aeon", reason="needs the extra bench: pip install 'tsclr[bench]'")
    suite = suite_on(tiny_store, methods={"theirs": kind(heads=["ridge"])}, budgets=["5"])
    (row,) = scored(suite, tmp_path)["rows"]
    assert row["macro_f1_mean"] > 0.4
    assert n_features is None or row["cost"]["features"] == n_features
    assert audit_results(tmp_path)["roles"].str.contains("statistics").all()


def test_a_package_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aeon", None)
    with pytest.raises(ValueError, match=r"pip install 'tsclr\[bench\]'"):
        MiniRocket().versions()


def test_pretraining_that_reads_labels_is_named(tiny_store: Path, tmp_path: Path) -> None:
    methods = {"SupCon": Pretrained(CONFIG, objective="SupCon")}
    unit = next(suite_on(tiny_store, methods=methods).units(tmp_path))
    assert unit.label == "SupCon (reads all labels)"


def test_the_method_of_the_docs_runs(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parent.parent / "docs" / "benchmarks.md"
    (code,) = re.findall(r"```python\n# mine\.py\n(.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    method = importlib.import_module("mine").Spectrum(highest=8.0)
    (row,) = scored(
        suite_on(tiny_store, methods={"spectrum": method}, budgets=["all"]), tmp_path / "out"
    )["rows"]
    assert row["macro_f1_mean"] > 0.6
    assert audit_results(tmp_path / "out")["roles"].str.contains("statistics").all()


class Spread(TransformerMixin, BaseEstimator):
    """Standard deviation of each channel, of windows (N, C, T)."""

    def fit(self, X: np.ndarray) -> "Spread":
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return X.std(2)


def test_any_transformer_of_scikit_learn_is_a_method(tiny_store: Path, tmp_path: Path) -> None:
    methods = {
        "PCA": FromTransformer("sklearn.decomposition.PCA", {"n_components": 16}),
        "spread": FromTransformer(f"{__name__}.Spread", flatten=False),
    }
    suite = suite_on(tiny_store, methods=methods, heads=["linear"], budgets=["all"])
    pca, spread = scored(suite, tmp_path)["rows"]
    assert (pca["cost"]["features"], spread["cost"]["features"]) == (16, 6)
    assert spread["macro_f1_mean"] > 0.4
    assert audit_results(tmp_path)["roles"].str.contains("statistics").all()
    keys = {name: method.key() for name, method in methods.items()}
    assert keys["spread"]["classes"] == source_digest(Spread) != keys["PCA"]["classes"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transformer": "sklearn.decomposition.PCB"}, "has no attribute 'PCB'"),
        ({"transformer": "nowhere.PCA"}, "No module named 'nowhere'"),
        ({"transformer": "sklearn.svm.SVC"}, "is not a transformer: it needs fit and transform"),
        (
            {"transformer": "sklearn.decomposition.PCA", "settings": {"n": 3}},
            "unexpected keyword argument 'n'",
        ),
    ],
)
def test_what_is_no_transformer_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FromTransformer(**settings).check()


@pytest.mark.parametrize("kind", SHIPPED, ids=lambda kind: kind.__name__)
def test_every_method_says_what_it_supports(kind: type[Method]) -> None:
    arguments = {"config": CONFIG, "run": "runs/mine", "transformer": "sklearn.decomposition.PCA"}
    accepted = inspect.signature(kind).parameters
    method = kind(**{name: value for name, value in arguments.items() if name in accepted})
    supported = method.supported_heads()
    assert supported
    assert all(method.supports(head) for head in supported)
    if not method.own_heads:
        assert method.supports("finetune") == method.trainable
        assert method.supports("linear")


def test_the_minimal_features_are_those_of_their_definitions(tiny_store: Path) -> None:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64).select(np.arange(3))
    found = minimal_features(windows).reshape(3, 9, 6)
    x = [[channel.tolist() for channel in window.numpy()] for window in windows.take(range(3))]
    for row, channel in np.ndindex(3, 6):
        values = sorted(x[row][channel])
        mean = sum(values) / 128
        variance = sum((value - mean) ** 2 for value in values) / 128
        expected = [
            sum(values),
            (values[63] + values[64]) / 2,
            mean,
            variance**0.5,
            variance,
            (sum(value**2 for value in values) / 128) ** 0.5,
            values[-1],
            max(-values[0], values[-1]),
            values[0],
        ]
        assert found[row, :, channel] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("method", "head", "n_chosen_on", "chosen"),
    [
        (TsfreshMinimal(), "forest", 0, "RandomForestClassifier("),
        pytest.param(SupervisedCNN(), "supervised-cnn", 3, "ArenaCNN(", marks=pytest.mark.slow),
    ],
)
def test_baselines_of_whar_arena_are_scored(
    method: Method, head: str, n_chosen_on: int, chosen: str, tiny_store: Path, tmp_path: Path
) -> None:
    protocols = [GivenSubjects(["04"], validation=1 / 3)]
    suite = suite_on(tiny_store, methods={"it": method}, budgets=["2"], protocols=protocols)
    (row,) = scored(suite, tmp_path)["rows"]
    assert row["head"] == head
    assert row["macro_f1_mean"] > 0.4
    assert all(chosen in described for described in row["chosen"].values())
    assert row["validation_subjects"] == n_chosen_on
    assert audit_results(tmp_path)["roles"].str.contains("statistics").all()
