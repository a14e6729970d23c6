import json
import logging
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from tests.support.by_hand import linear_predictions
from tests.support.suites import CONFIG, suite_on
from tests.support.training import tiny_pretrain
from tsclr.audit import ledger
from tsclr.audit.certificates import CHECKS
from tsclr.bench.access import FoldAccess
from tsclr.bench.audit import audit_results
from tsclr.bench.fitted import run_unit
from tsclr.bench.methods import FromRun, HandFeatures, Pretrained, RandomInit, RandomInitFromRun
from tsclr.bench.probe import HAND, PRETRAINED, RANDOM, probe, write_scores
from tsclr.bench.protocols import GivenSubjects
from tsclr.bench.provenance import note_run
from tsclr.bench.results import collect_results
from tsclr.bench.suite import Suite
from tsclr.cli import main
from tsclr.data.identity import hashed
from tsclr.data.settings import Data
from tsclr.data.splits import LeakError, Split
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.datasets import Synthetic
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.embedder import Embedder
from tsclr.encoders import CNN1d
from tsclr.evaluate.heads.linear import LinearHead
from tsclr.evaluate.task import Candidate, Task
from tsclr.objectives import NTXent
from tsclr.train.settings import Training
from tsclr.train.setup import start


@pytest.fixture(scope="module")
def scored(tiny_run: Path) -> dict:
    heads = ["linear", "knn", "finetune"]
    return probe(tiny_run, budgets=["1", "all"], draws=2, heads=heads, whiten=True)


def test_every_method_stands_under_every_head(scored: dict) -> None:
    cells = {(row["method"], row["head"]) for row in scored["rows"]}
    frozen = [PRETRAINED, RANDOM, HAND]
    frozen += [f"{name}, whitened" for name in frozen]
    expected = {(name, head) for name in frozen for head in ("linear", "knn")}
    assert cells == expected | {(PRETRAINED, "finetune"), (RANDOM, "finetune")}


def test_rows_hold_scores_and_how_they_came_about(scored: dict) -> None:
    for unit in scored["units"]:
        assert unit["split"]["test"] == ["04"]
        assert len(unit["split"]["train"]) + len(unit["split"]["validation"]) == 3
    for row in scored["rows"]:
        assert 0 <= row["macro_f1_mean"] <= 1
        assert row["draws"] == (2 if row["budget"] == "1" else 1)
        assert np.sum(row["confusion"]) == scored["n_test_windows"] * row["draws"]


def test_all_labels_beat_one_a_class(scored: dict) -> None:
    score = {
        (row["method"], row["head"], row["budget"]): row["macro_f1_mean"] for row in scored["rows"]
    }
    assert score[HAND, "linear", "all"] > score[HAND, "linear", "1"]


def test_the_linear_score_equals_one_computed_by_hand(tiny_run: Path, scored: dict) -> None:
    (row,) = [
        row
        for row in scored["rows"]
        if (row["method"], row["head"], row["budget"]) == (PRETRAINED, "linear", "all")
    ]
    settings = Checkpoint.load(tiny_run).settings
    store = Store.open(Path(settings["data"]["source"]))
    windows = Windows.labelled(store, 128, 64)
    features = Embedder(tiny_run).transform(windows.take(range(len(windows))).numpy())
    test = windows.subjects == "04"
    streams = Windows.sliding(store, 128, 64, settings["split"]["train"])
    unlabelled = streams.take(range(len(streams))).numpy()
    moments = StandardScaler().fit(Embedder(tiny_run).transform(unlabelled))
    (split,) = {str(unit["split"]): unit["split"] for unit in scored["units"]}.values()
    scaled, labels = moments.transform(features), windows.labels
    predicted = linear_predictions(scaled, labels, windows.subjects, split)
    expected = f1_score(labels[test], predicted, average="macro")
    assert row["macro_f1_mean"] == pytest.approx(expected, abs=1e-6)


def test_random_init_is_the_start_of_the_run(tiny_run: Path, hand_split: Task) -> None:
    split, store = hand_split.split, hand_split.windows.store.without_labels()
    access = FoldAccess(
        Data(store, test=list(split.test), validation=list(split.validation)), split
    )
    trained = Checkpoint.load(tiny_run).encoder()
    random = RandomInitFromRun(str(tiny_run)).learn(access).encoder
    assert not torch.equal(next(trained.parameters()), next(random.parameters()))
    torch.manual_seed(Training().seed)
    state = start(
        partial(CNN1d, width=8),
        NTXent(),
        Windows.sliding(hand_split.windows.store, 128, 64, hand_split.split.train),
        Training(),
        torch.device("cpu"),
    )
    assert torch.equal(state.encoder.input_scale, random.input_scale)
    for name, tensor in state.encoder.named_parameters():
        assert torch.equal(dict(random.named_parameters())[name], tensor), name


@pytest.fixture
def hand_split(tiny_store: Path) -> Task:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    return Task(windows, windows.store.classes, Split(("01", "02"), ("03",), ("04",)), draws=2)


def test_choices_do_not_look_at_the_test_side(tiny_run: Path, tiny_store: Path) -> None:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    split = Split(("01", "02"), ("03",), ("04",))
    inputs = Embedder(tiny_run).transform(windows.take(range(len(windows))).numpy())
    contender = Candidate(inputs, LinearHead().classifiers)
    choice = contender.select(Task(windows, windows.store.classes, split, draws=2), 5)
    windows.labels[windows.subjects == "04"] = 0
    again = contender.select(Task(windows, windows.store.classes, split, draws=2), 5)
    assert (str(choice), choice.score) == (str(again), again.score)


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
        probe(tiny_run, str(tmp_path / "copy"), test=["01"], budgets=["1"])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"draws": 0}, "draws is 0"),
        ({"heads": []}, "no heads are given"),
        ({"budgets": []}, "no budgets"),
        (
            {"methods": [HAND], "heads": ["finetune"]},
            "hand features support none of the heads finetune",
        ),
    ],
)
def test_empty_questions_are_refused(tiny_run: Path, given: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        probe(tiny_run, **given)


def test_a_test_subject_that_pretraining_saw_is_refused(tiny_run: Path) -> None:
    with pytest.raises(LeakError, match="pretraining has seen the test subjects 01"):
        probe(tiny_run, test=["01"], budgets=["1"])


def test_the_same_store_is_known_by_another_path(tiny_run: Path, tiny_store: Path) -> None:
    detour = str(tiny_store / ".." / tiny_store.name)
    with pytest.raises(LeakError, match="pretraining has seen"):
        probe(tiny_run, detour, test=["01"], budgets=["1"])


def test_a_split_that_shares_a_subject_makes_no_task(tiny_store: Path) -> None:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    with pytest.raises(LeakError, match="subject 02 is in both train and test"):
        Task(windows, windows.store.classes, Split(("01", "02"), ("03",), ("02",)))


def test_another_dataset_takes_its_own_split(tiny_run: Path) -> None:
    found = probe(tiny_run, "synthetic", budgets=["1"], draws=1, heads=["knn"])
    assert found["suite"]["datasets"][0]["name"] == "synthetic"
    (split,) = {json.dumps(unit["split"]) for unit in found["units"]}
    assert json.loads(split)["test"] == list(Synthetic().test_subjects)


def test_classes_can_be_chosen(tiny_run: Path) -> None:
    found = probe(tiny_run, budgets=["1"], draws=1, heads=["knn"], classes=["sitting", "walking"])
    assert found["classes"] == ["sitting", "walking"]
    assert np.shape(found["rows"][0]["confusion"]) == (2, 2)


def test_a_budget_larger_than_a_class_names_the_class(tiny_run: Path) -> None:
    with pytest.raises(ValueError, match=r"budget of 100000 labels per class is more than the \d+"):
        probe(tiny_run, budgets=["100000"], heads=["knn"])


def test_an_unknown_head_names_the_near_one(tiny_run: Path) -> None:
    with pytest.raises(ValueError, match="did you mean linear"):
        probe(tiny_run, heads=["linea"])


def test_methods_can_be_left_out(tiny_run: Path) -> None:
    found = probe(tiny_run, budgets=["1"], draws=1, heads=["linear"], methods=[PRETRAINED])
    assert {row["method"] for row in found["rows"]} == {PRETRAINED}
    with pytest.raises(ValueError, match="no method 'pretraind': did you mean pretrained"):
        probe(tiny_run, budgets=["1"], methods=["pretraind"])
    with pytest.raises(ValueError, match="no methods are given"):
        probe(tiny_run, budgets=["1"], methods=[])


# What was used for what


def subjects_by_role(rows: list[dict], dataset: str, names: list[str]) -> dict[str, list[str]]:
    """Whom each role has seen, by name."""
    known = {hashed(dataset, name): name for name in names}
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["role"], set()).add(known[row["subject"]])
    return {role: sorted(who) for role, who in found.items()}


def pretraining_rows(found: dict) -> list[dict]:
    """What pretraining has seen, by the provenance of the pretrained encoder."""
    rows = found["units"][0]["provenance"]["rows"]
    return [row for row in rows if row["role"] == "pretraining"]


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
    for unit in scored["units"]:
        assert unit["uncertified"] is None
        assert unit["certificate"]["checks"] == dict.fromkeys(CHECKS, True)
        rows = unit["provenance"]["rows"]
        pretraining = sorted(split["train"]) if unit["method"].startswith(PRETRAINED) else []
        assert subjects_by_role(rows, unit["dataset"], [*trained, "04"]) == {
            **({"pretraining": pretraining} if pretraining else {}),
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
        assert scored["units"][0]["certificate"]["roles"][role]["samples"] == len(covered)


def test_roles_follow_the_methods_that_are_scored(tiny_run: Path) -> None:
    units = {unit["method"]: unit for unit in probe(tiny_run, **QUICK)["units"]}
    roles = {method: set(unit["certificate"]["roles"]) for method, unit in units.items()}
    assert roles[RANDOM] == roles[HAND] == {"statistics", "fitting", "choice", "test"}
    assert roles[PRETRAINED] == roles[HAND] | {"pretraining"}


def test_epochs_that_were_chosen_are_noted(tiny_store: Path, tmp_path: Path) -> None:
    run = tiny_pretrain(tiny_store, tmp_path / "run", epochs=1, patience=1)
    seen = ledger.Ledger(str(tiny_store))
    source = str(tiny_store.resolve())
    assert note_run(seen, Checkpoint.load(run), Store.open(tiny_store), source) is None
    rows = seen.frame().to_dict("records")
    used = Checkpoint.load(run).settings["split"]
    assert subjects_by_role(rows, str(tiny_store), ["01", "02", "03"]) == {
        "pretraining": used["train"],
        "choice": used["validation"],
    }


def test_pretraining_on_another_dataset_is_noted_as_such(tiny_run: Path, tiny_store: Path) -> None:
    found = probe(tiny_run, "synthetic", **QUICK)
    trained = Checkpoint.load(tiny_run).settings["split"]["train"]
    rows = pretraining_rows(found)
    place = str(tiny_store.resolve())
    assert subjects_by_role(rows, place, trained) == {"pretraining": trained}
    assert all(all(unit["certificate"]["checks"].values()) for unit in found["units"])


def test_pretraining_that_saw_a_test_subject_is_told(
    tiny_run: Path, tiny_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A run that does not know what it saw, and a copy of its store: the refusal sees no leak.
    copy = str(shutil.copytree(tiny_store, tmp_path / "copy"))
    run = changed_run(tiny_run, tmp_path, seen=[], sketches=[])
    subject = Checkpoint.load(tiny_run).settings["split"]["train"][0]
    with caplog.at_level(logging.WARNING):
        found = probe(run, copy, test=[subject], **QUICK)
    assert "the test has leaked, do not trust the scores: overlap: pretraining" in caplog.text
    assert not found["units"][0]["certificate"]["checks"]["overlap"]
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
    assert all(list(unit["split"]["test"]) == used["test"] for unit in found["units"])
    assert all(all(unit["certificate"]["checks"].values()) for unit in found["units"])
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
    trained = Checkpoint.load(tiny_run).settings["split"]["train"]
    assert subjects_by_role(pretraining_rows(found), "moved", trained) == {"pretraining": trained}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"place": "/gone"}, "no folder of a store and no dataset is called '/gone'"),
        ({"seen": ["of a file that is gone"]}, "lacks 1 of the 1 files of the pretraining"),
    ],
)
def test_scores_whose_pretraining_is_gone_have_no_certificate(
    tiny_run: Path, tmp_path: Path, settings: dict, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = changed_run(tiny_run, tmp_path, **settings)
    found = probe(run, "synthetic", **QUICK)
    assert [unit["certificate"] is None for unit in found["units"]] == [True, False, False]
    assert reason in found["units"][0]["uncertified"]
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
    assert names == ["scores.json", "scores.provenance"]
    kept = json.loads(written.read_text())
    for unit, expected in zip(kept["units"], scored["units"], strict=True):
        frame = ledger.read(written.parent / unit["provenance"])
        assert frame.to_dict("records") == expected["provenance"]["rows"]
    checked = audit_results(written)
    assert checked["method"].tolist() == [unit["method"] for unit in scored["units"]]
    assert checked["roles"][0] == "pretraining, statistics, fitting, choice"
    assert checked["samples"][0] == scored["units"][0]["certificate"]["roles"]["test"]["samples"]
    assert main(["bench", "audit", str(written)]) == 0
    assert "no leak found in 6 units\n" in capsys.readouterr().out


def test_changed_provenance_is_found(written: Path, capsys: pytest.CaptureFixture) -> None:
    path = written.parent / json.loads(written.read_text())["units"][0]["provenance"]
    frame = ledger.read(path)
    ledger.write(frame.iloc[1:], path)
    assert main(["bench", "audit", str(written)]) == 1
    assert "is not the provenance that was certified" in capsys.readouterr().err
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(ValueError, match=r"\.parquet is damaged"):
        audit_results(written)
    path.unlink()
    with pytest.raises(ValueError, match="there is no provenance file"):
        audit_results(written)


def test_edited_scores_are_found(written: Path) -> None:
    content = json.loads(written.read_text())
    content["rows"][0]["macro_f1_mean"] = 7.5
    written.write_text(json.dumps(content))
    message = r"rows\[0\] \(.*\)\.macro_f1_mean: 7\.5 is stated, the counts give 0\.\d+"
    with pytest.raises(ValueError, match=message):
        audit_results(written)


def test_scores_of_an_older_probe_are_refused_with_the_command_that_renews_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"results": [], "certificate": {}}))
    with pytest.raises(ValueError, match=f"run `tsclr probe RUN --json {path}` again"):
        audit_results(path)


# One encoder has one score


def test_a_probe_and_a_suite_give_the_same_numbers(tiny_store: Path, tmp_path: Path) -> None:
    split = Split(("01", "02"), ("03",), ("04",))
    protocol = GivenSubjects(list(split.test), validation=list(split.validation))
    methods = {PRETRAINED: Pretrained(CONFIG, epochs=1), RANDOM: RandomInit(CONFIG)}
    methods |= {HAND: HandFeatures()}
    heads = ["linear", "knn"]
    suite = suite_on(tiny_store, methods=methods, heads=heads, protocols=[protocol])
    units = list(suite.units(tmp_path))
    for unit in units:
        run_unit(unit)
    (run,) = {path.parent for path in tmp_path.glob("runs/*/checkpoint.safetensors")}
    expected = collect_results(suite, units)
    with pytest.raises(ValueError, match=r"was trained on 'store-.* name it as the dataset"):
        probe(run)
    found = probe(run, str(tiny_store), budgets=["1", "all"], draws=2, heads=heads)
    assert len(found["rows"]) == 2 * 3 * 2
    for row, same in zip(found["rows"], expected["rows"], strict=True):
        assert row | {"cost": None} == same | {"cost": None}
    again = Suite(
        [str(tiny_store)], {PRETRAINED: FromRun(str(run))}, heads, ["1", "all"], 2, [protocol]
    )
    for unit in (units := list(again.units(tmp_path / "again"))):
        run_unit(unit)
    rows = collect_results(again, units)["rows"]
    assert [row["confusion"] for row in rows] == [
        row["confusion"] for row in expected["rows"] if row["method"] == PRETRAINED
    ]


def test_a_suite_refuses_a_fold_that_a_run_has_seen(
    tiny_run: Path, tiny_store: Path, tmp_path: Path
) -> None:
    methods = {PRETRAINED: FromRun(str(tiny_run))}
    suite = suite_on(tiny_store, methods=methods, protocols=[GivenSubjects(["01"])])
    with pytest.raises(LeakError, match="pretraining has seen the test subjects 01"):
        run_unit(next(suite.units(tmp_path)))


def test_the_content_of_a_checkpoint_counts_and_not_its_path(
    tiny_run: Path, tmp_path: Path
) -> None:
    copy = str(shutil.copytree(tiny_run, tmp_path / "copy"))
    assert FromRun(copy).key() == FromRun(str(tiny_run)).key()
    assert FromRun(copy).key() != FromRun(str(changed_run(tiny_run, tmp_path, seen=[]))).key()
    assert FromRun(copy).key() != FromRun(copy, whiten=True).key()
    with pytest.raises(FileNotFoundError, match="no checkpoint nowhere"):
        FromRun("nowhere").check()
