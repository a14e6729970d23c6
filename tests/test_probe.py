import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from tsclr.checkpoint import Checkpoint
from tsclr.embed import Embedder
from tsclr.encoders import CNN1d
from tsclr.heads import FROZEN, knn
from tsclr.objectives import NTXent
from tsclr.pretrain import start
from tsclr.probe import PRETRAINED, RANDOM, STATISTICS, encoders, probe
from tsclr.settings import Training
from tsclr.splits import LeakError, Split
from tsclr.store import Store
from tsclr.task import Contender, Task
from tsclr.windows import Windows


@pytest.fixture(scope="module")
def scored(tiny_run: Path) -> dict:
    heads = ["linear", "knn", "finetune"]
    return probe(tiny_run, budgets=["1", "all"], draws=2, heads=heads, whiten=True)


def test_every_method_stands_under_every_head(scored: dict) -> None:
    cells = {(row["method"], row["head"]) for row in scored["results"]}
    frozen = [PRETRAINED, RANDOM, STATISTICS]
    frozen += [f"{name}, whitened" for name in frozen]
    expected = {(name, head) for name in frozen for head in ("linear", "knn")}
    assert cells == expected | {(PRETRAINED, "finetune"), (RANDOM, "finetune")}


def test_rows_hold_scores_and_how_they_came_about(scored: dict) -> None:
    assert scored["test_subjects"] == ["04"]
    assert len(scored["train_subjects"]) == 3
    for row in scored["results"]:
        assert 0 <= row["macro_f1_mean"] <= 1
        assert row["draws"] == (2 if row["budget"] == "1" else 1)
        assert np.sum(row["confusion"]) == scored["n_test_windows"] * row["draws"]


def test_all_labels_beat_one_a_class(scored: dict) -> None:
    score = {
        (row["method"], row["head"], row["budget"]): row["macro_f1_mean"]
        for row in scored["results"]
    }
    assert score[STATISTICS, "linear", "all"] > score[STATISTICS, "linear", "1"]


def test_the_linear_score_equals_one_computed_by_hand(tiny_run: Path, scored: dict) -> None:
    (row,) = [
        row
        for row in scored["results"]
        if (row["method"], row["head"], row["budget"]) == (PRETRAINED, "linear", "all")
    ]
    settings = Checkpoint.load(tiny_run).settings
    store = Store.open(Path(settings["data"]["source"]))
    windows = Windows.labelled(store, 128, 64)
    features = Embedder(tiny_run).transform(windows.__getitems__(range(len(windows))).numpy())
    test = windows.subjects == "04"
    streams = Windows.sliding(store, 128, 64, settings["split"]["train"])
    unlabelled = streams.__getitems__(range(len(streams))).numpy()
    moments = StandardScaler().fit(Embedder(tiny_run).transform(unlabelled))
    scaled = moments.transform(features)
    C = float(row["chosen"].split("C=")[1].split(",")[0]) if "C=" in row["chosen"] else 1.0
    model = LogisticRegression(C=C, max_iter=1000, tol=1e-3).fit(
        scaled[~test], windows.labels[~test]
    )
    expected = f1_score(windows.labels[test], model.predict(scaled[test]), average="macro")
    assert row["macro_f1_mean"] == pytest.approx(expected, abs=0.02)


def test_random_init_is_the_start_of_the_run(tiny_run: Path) -> None:
    found = encoders(Checkpoint.load(tiny_run))
    trained, fresh = found[PRETRAINED], found[RANDOM]
    assert torch.equal(trained.input_scale, fresh.input_scale)
    assert not torch.equal(next(trained.parameters()), next(fresh.parameters()))
    store = Store.open(Path(Checkpoint.load(tiny_run).settings["data"]["source"]))
    torch.manual_seed(Training().seed)
    state = start(
        partial(CNN1d, width=8), NTXent(), Windows.sliding(store, 128, 64), Training(),
        torch.device("cpu"),
    )  # fmt: skip
    for name, tensor in state.encoder.named_parameters():
        assert torch.equal(dict(fresh.named_parameters())[name], tensor), name


@pytest.fixture
def hand_split(tiny_store: Path) -> Task:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    return Task(windows, windows.store.classes, Split(("01", "02"), ("03",), ("04",)), draws=2)


def test_choices_do_not_look_at_the_test_side(tiny_run: Path, tiny_store: Path) -> None:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    split = Split(("01", "02"), ("03",), ("04",))
    inputs = Embedder(tiny_run).transform(windows.__getitems__(range(len(windows))).numpy())
    contender = Contender("any", "linear", inputs, FROZEN["linear"])
    chosen, score = contender.choose(Task(windows, windows.store.classes, split, draws=2), 5)
    windows.labels[windows.subjects == "04"] = 0
    again, same = contender.choose(Task(windows, windows.store.classes, split, draws=2), 5)
    assert (str(chosen), score) == (str(again), same)


def test_every_training_subject_has_its_turn_in_validation(hand_split: Task) -> None:
    folds = hand_split.folds()
    assert folds[0] == (["01", "02"], ["03"])
    turns = [subject for _, tested in folds for subject in tested]
    assert sorted(turns) == ["01", "02", "03"]
    for trained, tested in folds:
        assert set(trained).isdisjoint(tested)
        assert "04" not in (*trained, *tested)


def test_folds_that_lack_a_class_are_left_out(hand_split: Task) -> None:
    assert hand_split.affords(1, ["01", "02"])
    assert not hand_split.affords(100_000, ["01", "02"])
    labels, subjects = hand_split.windows.labels, hand_split.windows.subjects
    labels[(labels == 3) & (subjects != "01")] = 0
    assert [hand_split.affords(None, fold[0]) for fold in hand_split.folds()].count(False) == 1


def test_a_copy_of_the_store_is_known_by_its_content(
    tiny_run: Path, tiny_store: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_store, tmp_path / "copy")
    with pytest.raises(LeakError, match="pretraining has seen"):
        probe(tiny_run, str(tmp_path / "copy"), test=["01"])


@pytest.mark.parametrize(
    ("given", "told"),
    [({"draws": 0}, "draws is 0"), ({"heads": []}, "no heads"), ({"budgets": []}, "no budgets")],
)
def test_empty_questions_are_refused(tiny_run: Path, given: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        probe(tiny_run, **given)


def test_a_test_subject_that_pretraining_saw_is_refused(tiny_run: Path) -> None:
    with pytest.raises(LeakError, match="pretraining has seen the test subjects 01"):
        probe(tiny_run, test=["01"])


def test_the_same_store_is_known_by_another_path(tiny_run: Path, tiny_store: Path) -> None:
    detour = str(tiny_store / ".." / tiny_store.name)
    with pytest.raises(LeakError, match="pretraining has seen"):
        probe(tiny_run, detour, test=["01"])


def test_a_split_that_shares_a_subject_makes_no_task(tiny_store: Path) -> None:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    with pytest.raises(LeakError, match="subjects 02 are in train and in test"):
        Task(windows, windows.store.classes, Split(("01", "02"), ("03",), ("02",)))


def test_another_dataset_takes_its_own_split(tiny_run: Path) -> None:
    found = probe(tiny_run, "synthetic", budgets=["1"], draws=1, heads=["knn"])
    assert found["source"] == "synthetic"
    assert set(found["test_subjects"]).isdisjoint(found["train_subjects"])


def test_classes_can_be_chosen(tiny_run: Path) -> None:
    found = probe(tiny_run, budgets=["1"], draws=1, heads=["knn"], classes=["sitting", "walking"])
    assert found["classes"] == ["sitting", "walking"]
    assert np.shape(found["results"][0]["confusion"]) == (2, 2)


def test_a_budget_larger_than_a_class_names_the_class(tiny_run: Path) -> None:
    with pytest.raises(ValueError, match=r"budget of 100000 labels per class is more than the \d+"):
        probe(tiny_run, budgets=["100000"], heads=["knn"])


def test_an_unknown_head_names_the_near_one(tiny_run: Path) -> None:
    with pytest.raises(ValueError, match="did you mean linear"):
        probe(tiny_run, heads=["linea"])


def test_neighbours_are_never_more_than_labels() -> None:
    assert [head.n_neighbors for head in knn(6)] == [1, 5]


def test_methods_can_be_left_out(tiny_run: Path) -> None:
    found = probe(tiny_run, budgets=["1"], draws=1, heads=["linear"], methods=[PRETRAINED])
    assert {row["method"] for row in found["results"]} == {PRETRAINED}
    with pytest.raises(ValueError, match="no method 'pretraind': did you mean pretrained"):
        probe(tiny_run, budgets=["1"], methods=["pretraind"])
    with pytest.raises(ValueError, match="no methods are given"):
        probe(tiny_run, budgets=["1"], methods=[])
