import json
import logging
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from tests.support.training import tiny_pretrain
from tsclr.audit import ledger
from tsclr.audit.certificate import CHECKS
from tsclr.audit.results import audit_results
from tsclr.cli import main
from tsclr.data.splits import LeakError, Split
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.embedder import Embedder
from tsclr.encoders import CNN1d
from tsclr.evaluate.heads.linear import LinearHead
from tsclr.evaluate.probe import (
    PRETRAINED,
    RANDOM,
    STATISTICS,
    encoders,
    note_pretraining,
    probe,
    write_scores,
)
from tsclr.evaluate.task import Candidate, Task
from tsclr.objectives import NTXent
from tsclr.train.pretrain import start
from tsclr.train.settings import Training


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
        partial(CNN1d, width=8),
        NTXent(),
        Windows.sliding(store, 128, 64),
        Training(),
        torch.device("cpu"),
    )
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
    contender = Candidate(inputs, LinearHead().classifiers)
    chosen, score = contender.select(Task(windows, windows.store.classes, split, draws=2), 5)
    windows.labels[windows.subjects == "04"] = 0
    again, same = contender.select(Task(windows, windows.store.classes, split, draws=2), 5)
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


def test_methods_can_be_left_out(tiny_run: Path) -> None:
    found = probe(tiny_run, budgets=["1"], draws=1, heads=["linear"], methods=[PRETRAINED])
    assert {row["method"] for row in found["results"]} == {PRETRAINED}
    with pytest.raises(ValueError, match="no method 'pretraind': did you mean pretrained"):
        probe(tiny_run, budgets=["1"], methods=["pretraind"])
    with pytest.raises(ValueError, match="no methods are given"):
        probe(tiny_run, budgets=["1"], methods=[])


# What was used for what


def subjects_by_role(rows: list[dict], dataset: str, names: list[str]) -> dict[str, list[str]]:
    """Whom each role has seen, by name."""
    known = {ledger.hashed(dataset, name): name for name in names}
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["role"], set()).add(known[row["subject"]])
    return {role: sorted(who) for role, who in found.items()}


def changed_run(run: Path, folder: Path, **settings: object) -> Path:
    """A run with other settings in its checkpoint."""
    checkpoint = Checkpoint.load(run)
    path = folder / "changed.safetensors"
    Checkpoint(checkpoint.tensors, checkpoint.settings | settings).save(path)
    return path


QUICK = {"budgets": ["1"], "draws": 1, "heads": ["knn"]}


def test_scores_are_certified_with_whom_each_role_has_seen(tiny_run: Path, scored: dict) -> None:
    split = Checkpoint.load(tiny_run).settings["split"]
    trained = sorted([*split["train"], *split["validation"]])
    assert scored["uncertified"] is None
    assert scored["certificate"]["checks"] == dict.fromkeys(CHECKS, True)
    assert subjects_by_role(scored["provenance"], scored["source"], [*trained, "04"]) == {
        "pretraining": sorted(split["train"]),
        "statistics": sorted(split["train"]),
        "fitting": trained,
        "choice": trained,
        "test": ["04"],
    }


def test_noted_samples_are_those_of_the_windows(tiny_run: Path, scored: dict) -> None:
    settings = Checkpoint.load(tiny_run).settings
    store = Store.open(Path(settings["data"]["source"]))
    expected = {
        "pretraining": Windows.sliding(store, 128, 64, settings["split"]["train"]),
        "test": Windows.labelled(store, 128, 64),
    }
    chosen = expected["test"].subjects == "04"
    expected["test"] = expected["test"].select(chosen)
    for role, windows in expected.items():
        covered = np.unique(windows.starts[:, None] + np.arange(128))
        assert scored["certificate"]["roles"][role]["samples"] == len(covered)


def test_roles_follow_the_methods_that_are_scored(tiny_run: Path) -> None:
    roles = {
        method: set(probe(tiny_run, methods=[method], **QUICK)["certificate"]["roles"])
        for method in (PRETRAINED, STATISTICS)
    }
    assert roles[STATISTICS] == {"statistics", "fitting", "choice", "test"}
    assert roles[PRETRAINED] == roles[STATISTICS] | {"pretraining"}


def test_random_start_has_its_scale_from_the_training_windows(
    tiny_run: Path, hand_split: Task
) -> None:
    assert note_pretraining(Checkpoint.load(tiny_run), hand_split, [STATISTICS]) is None
    assert hand_split.ledger.frame().empty
    assert note_pretraining(Checkpoint.load(tiny_run), hand_split, [RANDOM]) is None
    assert set(hand_split.ledger.frame()["role"]) == {"statistics"}


def test_epochs_that_were_chosen_are_noted(tiny_store: Path, tmp_path: Path) -> None:
    run = tiny_pretrain(tiny_store, tmp_path / "run", epochs=1, patience=1)
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    split = Split(("01", "02"), ("03",), ("04",))
    task = Task(windows, windows.store.classes, split, ledger=ledger.Ledger(str(tiny_store)))
    assert note_pretraining(Checkpoint.load(run), task, [PRETRAINED]) is None
    rows = task.ledger.frame().to_dict("records")
    used = Checkpoint.load(run).settings["split"]
    assert subjects_by_role(rows, str(tiny_store), ["01", "02", "03"]) == {
        "pretraining": used["train"],
        "choice": used["validation"],
    }


def test_pretraining_on_another_dataset_is_noted_as_such(tiny_run: Path, tiny_store: Path) -> None:
    found = probe(tiny_run, "synthetic", **QUICK)
    trained = Checkpoint.load(tiny_run).settings["split"]["train"]
    rows = [row for row in found["provenance"] if row["role"] == "pretraining"]
    place = str(tiny_store.resolve())
    assert subjects_by_role(rows, place, trained) == {"pretraining": trained}
    assert all(found["certificate"]["checks"].values())


def test_pretraining_that_saw_a_test_subject_is_told(
    tiny_run: Path, tiny_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A run without fingerprints, and a copy of its store: the refusal does not see the leak.
    copy = str(shutil.copytree(tiny_store, tmp_path / "copy"))
    run = changed_run(tiny_run, tmp_path, seen=[])
    subject = Checkpoint.load(tiny_run).settings["split"]["train"][0]
    with caplog.at_level(logging.WARNING):
        found = probe(run, copy, test=[subject], **QUICK)
    assert "the test has leaked, do not trust the scores: overlap: pretraining" in caplog.text
    assert not found["certificate"]["checks"]["overlap"]
    write_scores(tmp_path / "scores.json", found)
    with pytest.raises(LeakError, match="overlap: pretraining saw samples"):
        audit_results(tmp_path / "scores.json")


def test_a_copy_of_what_came_from_no_file_is_known_by_its_samples(
    tiny_store: Path, tmp_path: Path
) -> None:
    store = Store.open(tiny_store)
    fileless = replace(store, recordings=store.recordings.assign(source_hash=""))
    for name in ("store", "copy"):
        fileless.write(tmp_path / name)
    run = tiny_pretrain(tmp_path / "store", tmp_path / "run")
    subject = Checkpoint.load(run).settings["split"]["train"][0]
    with pytest.raises(LeakError, match=f"pretraining has seen the test subjects {subject}"):
        probe(run, str(tmp_path / "copy"), test=[subject], **QUICK)


def test_people_in_one_file_are_told_apart(tiny_store: Path, tmp_path: Path) -> None:
    store = Store.open(tiny_store)
    names = [f"all.csv#{place}" for place in range(len(store.recordings))]
    one_file = store.recordings.assign(source_hash="ab", name=names)
    replace(store, recordings=one_file).write(tmp_path / "store")
    run = tiny_pretrain(tmp_path / "store", tmp_path / "run")
    used = Checkpoint.load(run).settings["split"]
    found = probe(run, **QUICK)
    assert found["test_subjects"] == used["test"]
    assert all(found["certificate"]["checks"].values())
    with pytest.raises(LeakError, match="pretraining has seen the test subjects"):
        probe(run, test=used["train"][:1], **QUICK)


@pytest.mark.parametrize("order", ["one person first", "several first"])
def test_a_file_that_is_one_person_elsewhere_was_seen(
    order: str, tiny_store: Path, tmp_path: Path
) -> None:
    store = Store.open(tiny_store)
    of_four = store.recordings.assign(source_hash="ab")
    first = of_four["start"] == 0
    of_one = of_four.assign(source_hash=np.where(first, "ab", store.recordings["source_hash"]))
    tables = [of_one, of_four] if order == "one person first" else [of_four, of_one]
    for name, table in zip(("trained", "tested"), tables, strict=True):
        replace(store, recordings=table).write(tmp_path / name)
    one = of_four.loc[first, "subject"].iloc[0]
    data = {"test": ["04"], "validation": ["03"]}
    run = tiny_pretrain(tmp_path / "trained", tmp_path / "run", data=data)
    test = "02" if order == "one person first" else one
    renamed = changed_run(run, tmp_path, place="elsewhere")
    with pytest.raises(LeakError, match=f"pretraining has seen the test subjects {test}"):
        probe(renamed, str(tmp_path / "tested"), test=[test], **QUICK)


def test_store_that_was_moved_is_known_by_its_files(
    tiny_run: Path, tiny_store: Path, tmp_path: Path
) -> None:
    moved = str(shutil.copytree(tiny_store, tmp_path / "moved"))
    run = changed_run(tiny_run, tmp_path, place=str(tmp_path / "gone"))
    found = probe(run, moved, test=["04"], **QUICK)
    rows = [row for row in found["provenance"] if row["role"] == "pretraining"]
    trained = Checkpoint.load(tiny_run).settings["split"]["train"]
    assert subjects_by_role(rows, moved, trained) == {"pretraining": trained}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"place": "/gone"}, "no store in a folder '/gone'"),
        ({"seen": ["of a file that is gone"]}, "lacks 1 of the 1 files that pretraining has seen"),
    ],
)
def test_scores_whose_pretraining_is_gone_have_no_certificate(
    tiny_run: Path, tmp_path: Path, settings: dict, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = changed_run(tiny_run, tmp_path, **settings)
    found = probe(run, "synthetic", **QUICK)
    assert found["certificate"] is None
    assert reason in found["uncertified"]
    assert reason in caplog.text
    write_scores(tmp_path / "scores.json", found)
    with pytest.raises(ValueError, match=f"has no certificate: .*{reason}"):
        audit_results(tmp_path / "scores.json")


@pytest.fixture
def written(scored: dict, tmp_path: Path) -> Path:
    """The JSON of a probe, its provenance beside it."""
    write_scores(tmp_path / "scores.json", scored)
    return tmp_path / "scores.json"


def test_written_scores_pass_the_audit(
    written: Path, scored: dict, capsys: pytest.CaptureFixture
) -> None:
    names = sorted(path.name for path in written.parent.iterdir())
    assert names == ["scores.json", "scores.provenance.parquet"]
    kept = json.loads(written.read_text())
    assert kept["provenance"] == "scores.provenance.parquet"
    frame = ledger.read(written.parent / kept["provenance"])
    assert frame.to_dict("records") == scored["provenance"]
    (row,) = audit_results(written).to_dict("records")
    assert row["method"].startswith(f"{PRETRAINED}; {PRETRAINED}, whitened; ")
    assert row["roles"] == "pretraining, statistics, fitting, choice"
    assert row["samples"] == scored["certificate"]["roles"]["test"]["samples"]
    assert main(["bench", "audit", str(written)]) == 0
    assert "no leak found in 1 unit\n" in capsys.readouterr().out


def test_changed_provenance_is_found(written: Path, capsys: pytest.CaptureFixture) -> None:
    path = written.parent / "scores.provenance.parquet"
    frame = ledger.read(path)
    ledger.write(frame.iloc[1:], path)
    assert main(["bench", "audit", str(written)]) == 1
    assert "is not the provenance that was certified" in capsys.readouterr().err
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(ValueError, match=r"scores\.provenance\.parquet is damaged"):
        audit_results(written)
    path.unlink()
    with pytest.raises(ValueError, match="there is no provenance file"):
        audit_results(written)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_subjects": ["03"]}, "tests subjects that its split does not name"),
        ({"certificate": None}, "no valid 'certificate', it has None"),
        ({"provenance": "../scores.provenance.parquet"}, "outside of the results folder"),
        ({"results": [3]}, "no valid 'method', it has 3"),
    ],
)
def test_changed_scores_are_found(written: Path, changes: dict, message: str) -> None:
    written.write_text(json.dumps(json.loads(written.read_text()) | changes))
    with pytest.raises(ValueError, match=message):
        audit_results(written)
