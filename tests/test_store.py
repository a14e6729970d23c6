"""A store gives back what went in, and refuses what does not fit or is damaged."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.support.recordings import CHANNELS, recording
from tsclr import signals
from tsclr.data.settings import Data
from tsclr.data.store import LABELS, SIGNAL, TABLE, Store
from tsclr.data.table import StoreTable
from tsclr.files import read_table, write_table
from tsclr.types import UNITS, UNLABELLED

CLASSES = ("sit", "walk")


def written(folder, recordings, sample_rate=None):
    """A store on disk, by the plainest code that can write one."""
    folder.mkdir(exist_ok=True)
    draft = StoreTable(sample_rate=sample_rate)
    added = [draft.add(each) for each in recordings]
    (folder / SIGNAL).write_bytes(np.concatenate([signal for signal, _ in added]).tobytes())
    (folder / LABELS).write_bytes(np.concatenate([labels for _, labels in added]).tobytes())
    draft.write(folder / TABLE)
    return folder


@pytest.fixture
def three():
    return [
        recording(100, "s1", "a", seed=1, labels=[0] * 40 + [-1] * 60, classes=CLASSES),
        recording(1, "s2", "b", seed=2),
        recording(
            57,
            "s1",
            "c",
            seed=3,
            device="wrist",
            start_time=1_700_000_000_000_000_123,
            source="c.csv",
            source_hash="abc",
            repairs={"filled": 3, "cut": 1},
        ),
    ]


def test_build_keeps_samples_and_rows_bit_for_bit(three):
    store = Store.build(three)
    signal = np.concatenate([each.signal for each in three])
    assert store.signal.tobytes() == signal.tobytes()
    assert store.labels.tolist() == [0] * 40 + [-1] * 118
    assert store.recordings["start"].tolist() == [0, 100, 101]
    assert store.recordings["length"].tolist() == [100, 1, 57]
    assert (store.channels, store.sample_rate, store.classes) == (CHANNELS, 50.0, CLASSES)
    assert store.subjects == ("s1", "s2")


def test_row_keeps_provenance_and_repairs(three):
    row = Store.build(three).recordings.iloc[2]
    assert (row["name"], row["device"], row["source"]) == ("c", "wrist", "c.csv")
    assert row["start_time"] == 1_700_000_000_000_000_123
    assert (row["source_hash"], row["reader"]) == ("abc", "")
    assert json.loads(row["repairs"]) == {"filled": 3, "cut": 1}
    assert json.loads(Store.build(three).recordings["labels"][0]) == {"sit": 40}


def test_open_gives_what_build_gives(three, tmp_path):
    opened, built = Store.open(written(tmp_path, three)), Store.build(three)
    assert opened.signal.tobytes() == built.signal.tobytes()
    assert opened.labels.tobytes() == built.labels.tobytes()
    assert opened.recordings.equals(built.recordings)
    assert opened.channels == built.channels
    assert opened.sample_rate == built.sample_rate
    assert opened.classes == built.classes
    assert opened.signal.base is not None
    assert not opened.signal.flags.writeable


def test_samples_beyond_the_table_do_not_exist(three, tmp_path):
    folder = written(tmp_path, three)
    for name in (SIGNAL, LABELS):
        with (folder / name).open("ab") as handle:
            handle.write(b"from an interrupted run")
    assert Store.open(folder).signal.tobytes() == Store.build(three).signal.tobytes()


def test_released_pages_come_back_with_the_same_content(three, tmp_path):
    store = Store.open(written(tmp_path, three))
    before = store.signal.tobytes()
    store.release()
    assert store.signal.tobytes() == before
    Store.build(three).release()


def test_everything_is_resampled_to_the_rate_of_the_store():
    fast = recording(200, sample_rate=100.0, labels=[0] * 100 + [1] * 100, classes=CLASSES)
    store = Store.build([recording(100), fast])
    assert store.sample_rate == 50.0
    assert store.recordings["length"].tolist() == [100, 100]
    assert np.array_equal(store.signal[100:], signals.resample(fast.signal, 100.0, 50.0))
    assert store.labels[100:].tolist() == [0] * 50 + [1] * 50


def test_the_samples_of_a_store_lie_row_by_row_whatever_the_layout_of_the_recordings():
    signal = np.asfortranarray(recording(64, seed=1).signal)
    store = Store.build([recording(signal=signal), recording(signal=signal)])
    assert store.signal.flags.c_contiguous
    assert np.array_equal(store.signal[64:], signal)


def test_asked_rate_wins_over_that_of_the_first_recording():
    store = Store.build([recording(100)], sample_rate=25.0)
    assert (store.sample_rate, len(store.signal)) == (25.0, 50)


@pytest.mark.parametrize("rate", [0.0, -50.0, float("nan"), 49.99991])
def test_rate_that_cannot_be_met_is_refused(rate):
    with pytest.raises(ValueError, match="50"):
        Store.build([recording(100)], sample_rate=rate)


def test_class_lists_in_different_orders_are_merged():
    store = Store.build(
        [
            recording(3, labels=[0, 1, -1], classes=("sit", "walk")),
            recording(3, labels=[0, 1, 2], classes=("walk", "run", "sit")),
            recording(2, labels=[0, 0], classes=("lie",)),
        ]
    )
    assert store.classes == ("sit", "walk", "run", "lie")
    assert store.labels.tolist() == [0, 1, UNLABELLED, 1, 2, 0, 3, 3]
    assert [json.loads(text) for text in store.recordings["labels"]] == [
        {"sit": 1, "walk": 1},
        {"sit": 1, "walk": 1, "run": 1},
        {"lie": 2},
    ]


def test_recording_with_other_channels_is_named():
    other = recording(10, channels=("gyr_x",), source="logs/odd.csv")
    with pytest.raises(ValueError, match=r"logs/odd\.csv has channels gyr_x, the store has acc_x"):
        Store.build([recording(10), other])


def test_recording_that_no_store_can_hold_is_refused():
    with pytest.raises(ValueError, match="label 5 is outside its 2 classes"):
        Store.build([recording(1, labels=[5], classes=CLASSES)])
    with pytest.raises(ValueError, match="no samples"):
        Store.build([recording(0)])


def test_nothing_makes_no_store():
    with pytest.raises(ValueError, match="no recordings to build"):
        Store.build([])


def test_store_describes_itself_to_any_parquet_reader(three, tmp_path):
    table = pq.read_table(written(tmp_path, three) / TABLE)
    header = json.loads(table.schema.metadata[b"tsclr"])
    assert header == {
        "format": 1,
        "channels": list(CHANNELS),
        "units": UNITS,
        "sample_rate": 50.0,
        "classes": list(CLASSES),
    }
    assert {"name", "subject", "device", "start", "length", "start_time"} < set(table.column_names)
    assert {"labels", "source", "source_hash", "reader", "repairs"} < set(table.column_names)


def test_missing_store_says_how_to_write_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="tsclr ingest LOGS --out"):
        Store.open(tmp_path)


def test_store_of_another_version_is_refused(three, tmp_path):
    table = written(tmp_path, three) / TABLE
    rows, header = read_table(table)
    write_table(table, rows, header | {"format": 2})
    with pytest.raises(ValueError, match="store format 2, this tsclr reads 1: ingest the logs"):
        Store.open(tmp_path)


@pytest.mark.parametrize("name", [SIGNAL, LABELS])
def test_truncated_or_missing_array_is_named(three, tmp_path, name):
    path = written(tmp_path, three) / name
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(ValueError, match=rf"{name} has \d+ bytes, its table says \d+.* damaged"):
        Store.open(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=f"{name} has 0 bytes"):
        Store.open(tmp_path)


def test_truncated_table_is_named(three, tmp_path):
    path = written(tmp_path, three) / TABLE
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ValueError, match=rf"{TABLE} is damaged"):
        Store.open(tmp_path)


def test_flipped_footer_is_noticed(three, tmp_path):
    path = written(tmp_path, three) / TABLE
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{TABLE} is damaged"):
        Store.open(tmp_path)


def test_footer_that_names_other_channels_is_noticed(three, tmp_path):
    path = written(tmp_path, three) / TABLE
    table = pq.read_table(path)
    old = table.schema.metadata
    changed = old | {b"tsclr": old[b"tsclr"].replace(b"acc_x", b"acc_y")}
    pq.write_table(table.replace_schema_metadata(changed), path)
    with pytest.raises(ValueError, match=rf"{TABLE} is damaged.*does not match its digest"):
        Store.open(tmp_path)


def test_load_opens_a_folder_and_reads_a_dataset_by_name(three, tmp_path, monkeypatch):
    assert Store.load(str(written(tmp_path, three))).subjects == ("s1", "s2")
    with pytest.raises(KeyError, match="did you mean synthetic"):
        Store.load("syntetic")
    with pytest.raises(KeyError, match=f"did you mean {tmp_path}[?] "):
        Store.load(f"{tmp_path}s")


def test_load_passes_the_root_to_the_dataset(tmp_path, monkeypatch):
    monkeypatch.delenv("TSCLR_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        Store.load("hapt", tmp_path)


def test_hapt_is_61_recordings_of_30_people(hapt_store):
    assert len(hapt_store.recordings) == 61
    assert len(hapt_store.subjects) == 30
    assert len(hapt_store.signal) == 1_122_772
    assert (hapt_store.labels != UNLABELLED).sum() == 815_614


def test_motionsense_is_360_recordings_of_1412865_rows(motionsense_store):
    assert len(motionsense_store.recordings) == 360
    assert len(motionsense_store.subjects) == 24
    assert motionsense_store.signal.shape == (1_412_865, 6)


def test_a_body_at_rest_feels_one_g(hapt_store, motionsense_store):
    for store, still in ((hapt_store, "standing"), (motionsense_store, "standing")):
        at_rest = store.labels == store.classes.index(still)
        magnitude = np.linalg.norm(store.signal[at_rest, :3], axis=1)
        assert 0.9 < np.median(magnitude) < 1.1


# Stores of some subjects, without labels


def test_subjects_one_behind_the_other_are_a_view(tiny_store: Path) -> None:
    whole = Store.open(tiny_store)
    last = whole.with_subjects(whole.subjects[2:])
    assert np.shares_memory(last.signal, whole.signal)
    apart = whole.with_subjects(whole.subjects[::2])
    assert not np.shares_memory(apart.signal, whole.signal)
    for some in (last, apart):
        assert some.signal.flags.c_contiguous
        for row in some.recordings.to_dict("records"):
            (same,) = whole.recordings.loc[whole.recordings["name"] == row["name"]].to_dict(
                "records"
            )
            for array, expected in ((some.signal, whole.signal), (some.labels, whole.labels)):
                of_row = array[row["start"] : row["start"] + row["length"]]
                of_same = expected[same["start"] : same["start"] + same["length"]]
                assert np.array_equal(of_row, of_same)
    assert len(apart.signal) + len(whole.with_subjects(whole.subjects[1::2]).signal) == len(
        whole.signal
    )
    assert apart.left_out == whole.subjects[1::2]
    assert apart.with_subjects(whole.subjects[:1]).left_out == whole.subjects[2:3] + apart.left_out
    with pytest.raises(ValueError, match="no subject '1': did you mean"):
        whole.with_subjects(["1"])
    with pytest.raises(ValueError, match="no subject is named"):
        whole.with_subjects([])


def test_a_blank_store_keeps_its_samples_and_nothing_that_tells_what_they_show(
    tiny_store: Path, tmp_path: Path
) -> None:
    whole = Store.open(tiny_store)
    blank = whole.without_labels()
    assert blank.signal is whole.signal
    assert len(blank.maps) == 1
    assert (blank.labels == -1).all()
    told = blank.recordings[["labels", "source", "reader"]].to_numpy().ravel().tolist()
    assert set(told) == {"{}", ""}
    assert (blank.source, blank.classes) == (None, ())
    kept = np.arange(len(whole.labels)) < 1000
    some = whole.without_labels(kept)
    assert (some.labels[:1000] == whole.labels[:1000]).all()
    assert (some.labels[1000:] == -1).all()
    assert some.classes == whole.classes
    blank.write(tmp_path / "blank")
    assert (Store.open(tmp_path / "blank").labels == -1).all()


def test_subjects_that_a_store_leaves_out_can_be_tested(tiny_store: Path) -> None:
    whole = Store.open(tiny_store)
    settings = {"test": ["04"], "validation": ["03"]}
    _, expected = Data(whole, **settings).open()
    some = whole.with_subjects(["01", "02", "03"])
    assert Data(some, **settings).open()[1] == expected
