"""Another session or another device, and classes that few people show: suites on few people."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.recordings import recording
from tests.support.suites import CONFIG, scored, suite_on
from tsclr.audit.ledger import read
from tsclr.bench.audit import audit_results
from tsclr.bench.benchmark import Benchmark, Source
from tsclr.bench.methods import HandFeatures, Pretrained
from tsclr.bench.protocols import (
    AnotherDay,
    AnotherDevice,
    AnotherTrial,
    LeaveOneSubjectOut,
    Protocol,
)
from tsclr.bench.protocols.sessions import last_sessions
from tsclr.data.identity import recording_hashes
from tsclr.data.store import Store
from tsclr.datasets import Synthetic

DAY = 24 * 3600 * 10**9
PEOPLE = ["01", "02", "03", "04"]


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people, three days each; the second day lies in two files. All show two classes."""
    recordings = [
        replace(
            person,
            signal=person.signal[begin:end],
            labels=np.where(person.labels < 0, -1, person.labels % 2)[begin:end],
            classes=("even", "odd"),
            name=f"{person.subject}-{number}",
            start_time=(1 + day) * DAY,
            source_hash=f"{person.subject}-{number}",
        )
        for person in Synthetic(n_subjects=4, minutes=9).recordings()
        for number, (day, begin, end) in enumerate(
            [(0, 0, 9000), (1, 9000, 14000), (1, 14000, 18000), (2, 18000, 27000)]
        )
    ]
    folder = tmp_path_factory.mktemp("trials") / "trials"
    Store.build(recordings).write(folder)
    return folder


def of_devices(channels: bool) -> Store:
    """Four people with a phone and a watch, as two recordings each or as channels of one."""
    people = list(Synthetic(n_subjects=4, minutes=4).recordings())
    if not channels:
        return Store.build(
            replace(
                person, device=device, name=f"{person.name}-{device}", signal=sign * person.signal
            )
            for person in people
            for device, sign in {"phone": 1, "watch": np.float32(-1)}.items()
        )
    return Store.build(
        replace(
            person,
            device="",
            signal=np.hstack([person.signal, -person.signal]),
            channels=tuple(f"{d}_{c}" for d in ("phone", "watch") for c in person.channels),
        )
        for person in people
    )


# The same people again


@pytest.mark.parametrize(
    ("protocol", "tested"),
    [(AnotherTrial(), ["{}-3"]), (AnotherDay(), ["{}-3"])],
    ids=["trial", "day"],
)
def test_the_last_session_of_each_person_is_tested(
    protocol: Protocol, tested: list[str], trials: Path
) -> None:
    store = Store.open(trials)
    table = protocol.arranged(store, store.classes, []).recordings
    last = table.loc[table["subject"].str.endswith(", last")]
    assert last["name"].tolist() == [name.format(person) for person in PEOPLE for name in tested]
    assert [protocol.person(name) for name in last["subject"]] == PEOPLE
    earlier = table.loc[~table["subject"].str.endswith(", last"), "subject"].unique().tolist()
    assert earlier == [f"{person}, earlier" for person in PEOPLE]
    (split,) = protocol.splits(table["subject"].unique().tolist(), []).values()
    assert split.test == tuple(f"{person}, last" for person in PEOPLE)


def test_a_session_is_a_file_or_a_day(trials: Path) -> None:
    table = Store.open(trials).recordings.iloc[:4]
    assert len(set(AnotherTrial().sessions(table))) == 4
    assert AnotherDay().sessions(table).tolist() == [1, 2, 2, 3]
    of_one_file = table.assign(name="one", source_hash="one")
    assert len(set(AnotherTrial().sessions(of_one_file))) == 1
    backwards = table.assign(start_time=table["start_time"].to_numpy()[::-1])
    assert AnotherTrial().sessions(backwards).tolist() == [3, 1, 2, 0]


def test_where_a_trial_shows_one_class_the_last_of_each_class_is_tested() -> None:
    assert last_sessions({1: {"a"}, 2: {"b"}, 3: {"a"}, 4: {"b"}, 5: {"a"}}) == [5, 4]
    assert last_sessions({1: {"a", "b"}, 2: {"a"}}) == [2]
    assert last_sessions({1: {"a"}, 2: {"a", "b"}}) == []  # b is nowhere else
    assert last_sessions({1: {"a"}, 2: {"a"}, 3: set()}) == [2]
    assert last_sessions({}) == []


@pytest.mark.parametrize("protocol", [AnotherTrial(), AnotherDay()], ids=["trial", "day"])
def test_scores_are_of_people_and_the_results_say_that_they_were_trained_on(
    protocol: Protocol, trials: Path, tmp_path: Path
) -> None:
    methods = {"hand": HandFeatures(), "NT-Xent": Pretrained(CONFIG, epochs=1)}
    suite = suite_on(trials, protocols=[protocol], methods=methods, budgets=["2"])
    results = scored(suite, tmp_path)
    for row in results["rows"]:
        assert row["protocol"] == protocol.title
        assert list(row["by_subject"]) == PEOPLE
        assert row["test_subjects"] == 4
    (row,) = results["comparisons"]
    assert row["p"] >= 2 / 2**4
    for unit in results["units"]:
        assert unit["apart"] == protocol.apart
        assert unit["people"] == {f"{person}, last": person for person in PEOPLE}
        assert not unit["leaky"]
        assert all(unit["certificate"]["checks"].values())
    checked = audit_results(tmp_path)
    assert set(checked["apart"]) == {protocol.apart}
    page = (tmp_path / "report.html").read_text()
    assert f"no choice, except by protocols that hold {protocol.apart} apart" in page


def test_pretraining_sees_no_session_that_is_tested(trials: Path, tmp_path: Path) -> None:
    methods = {"NT-Xent": Pretrained(CONFIG, epochs=1)}
    suite = suite_on(trials, protocols=[AnotherTrial()], methods=methods, budgets=["2"])
    (unit,) = scored(suite, tmp_path)["units"]
    frame = read(tmp_path / unit["provenance"])
    store = Store.open(trials)
    names = store.recordings["name"].str.endswith("-3")
    last = set(recording_hashes(store, "trials")[names])
    assert set(frame.loc[frame["role"] == "test", "recording"]) == last
    assert last.isdisjoint(frame.loc[frame["role"] != "test", "recording"])


def test_sessions_that_cannot_be_told_apart_are_refused(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"store, another trial.*: no two trials of a person show the same"
    ):
        list(suite_on(tiny_store, protocols=[AnotherTrial()]).units(tmp_path))
    store = Store.build([recording(labels=np.zeros(100, int), classes=["walk"])])
    with pytest.raises(ValueError, match="recording 'walk' has no start time, so its day is not"):
        AnotherDay().arranged(store, ["walk"], [])


# Another device


@pytest.mark.parametrize("channels", [False, True], ids=["recordings", "channels"])
def test_other_people_are_tested_on_another_device(channels: bool) -> None:
    whole = of_devices(channels)
    store = AnotherDevice("watch").arranged(whole, whole.classes, ["03"])
    table = store.recordings
    assert table[["subject", "device"]].to_numpy().tolist() == [
        ["01", "phone"],
        ["02", "phone"],
        ["03", "watch"],
        ["04", "phone"],
    ]
    assert store.channels == ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
    people = {
        person.subject: person.signal for person in Synthetic(n_subjects=4, minutes=4).recordings()
    }
    for row in table.to_dict("records"):
        sign = -1 if row["device"] == "watch" else 1
        signal = store.signal[row["start"] : row["start"] + row["length"]]
        np.testing.assert_array_equal(signal, sign * people[row["subject"]])


def test_a_suite_on_another_device(tmp_path: Path) -> None:
    of_devices(channels=True).write(tmp_path / "both")
    methods = {"hand": HandFeatures(), "NT-Xent": Pretrained(CONFIG, epochs=1)}
    protocol = AnotherDevice("watch", test=["02", "03"])
    suite = suite_on(tmp_path / "both", protocols=[protocol], methods=methods, budgets=["2"])
    results = scored(suite, tmp_path / "out")
    assert {tuple(row["by_subject"]) for row in results["rows"]} == {("02", "03")}
    assert {unit["apart"] for unit in results["units"]} == {"people and devices"}
    assert len(audit_results(tmp_path / "out")) == 2


def test_a_device_that_is_not_one_of_several_is_refused(tiny_store: Path) -> None:
    store = of_devices(channels=False)
    with pytest.raises(ValueError, match="no device 'wach': did you mean watch"):
        AnotherDevice("wach").arranged(store, [], ["01"])
    (alone,) = set(Store.open(tiny_store).recordings["device"])
    with pytest.raises(ValueError, match="is the only device, so there is none to train on"):
        AnotherDevice(alone).arranged(Store.open(tiny_store), [], ["01"])


def test_devices_without_a_common_channel_are_refused() -> None:
    channels = ("wrist_acc_x", "chest_gyr_x")
    store = Store.build([recording(channels=channels)])
    with pytest.raises(ValueError, match="the devices wrist, chest have no channel in common"):
        AnotherDevice("chest").arranged(store, [], ["s1"])
    with pytest.raises(ValueError, match="no test subjects are documented: name them"):
        AnotherDevice("chest").splits(["1", "2", "3"], [])


# Classes that few people show


@pytest.fixture(scope="module")
def rare(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only the last of four people lies, only the last two run."""
    store = Store.open(tiny_store)
    labels = store.labels.copy()
    keepers = {"lying": ["04"], "running": ["03", "04"]}
    for row in store.recordings.to_dict("records"):
        mine = labels[row["start"] : row["start"] + row["length"]]
        for name, people in keepers.items():
            if row["subject"] not in people:
                mine[mine == store.classes.index(name)] = -1
    folder = tmp_path_factory.mktemp("rare") / "rare"
    replace(store, labels=labels, maps=()).write(folder)
    return folder


def test_a_class_of_one_person_is_left_out_and_it_is_said(
    rare: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    methods = {"hand": HandFeatures()}
    settings = {"methods": methods, "budgets": ["1"], "protocols": [LeaveOneSubjectOut()]}
    with pytest.raises(ValueError, match=r"class 'lying'.*min_people: 3"):
        list(suite_on(rare, **settings).units(tmp_path))
    with caplog.at_level(logging.WARNING):
        suite = suite_on(rare, datasets=[Source(str(rare), min_people=3)], **settings)
        results = scored(suite, tmp_path)
    assert "left out what fewer than 3 people show: lying (1), running (2)" in caplog.text
    (row,) = results["rows"]
    assert row["dataset"] == "rare (classes of 3 people)"
    assert row["left_out"] == {"lying": 1, "running": 2}
    assert set(row["per_class_f1"]) == set(Store.open(rare).classes) - {"running", "lying"}
    page = (tmp_path / "report.html").read_text()
    assert "Too few people show these classes, which are left out: lying (1), running (2)." in page


def test_a_class_is_kept_if_enough_people_show_it(rare: Path, tmp_path: Path) -> None:
    classes = Store.open(rare).classes
    two = Benchmark.prepare(Source(str(rare), min_people=2), tmp_path)
    assert set(two.classes) == set(classes) - {"lying"}
    assert Benchmark.prepare(Source(str(rare)), tmp_path).classes == classes
    with pytest.raises(ValueError, match=r"5 people show \[\] only.*lower min_people"):
        Benchmark.prepare(Source(str(rare), min_people=5), tmp_path)
    with pytest.raises(ValueError, match="min_people is 0, it must be at least 1"):
        Source(str(rare), min_people=0)
