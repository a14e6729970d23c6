"""A ledger records which samples were used for what, in any store; damage to its file is seen."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recordings import recording
from tsclr.audit.ledger import COLUMNS, ROLES, Ledger, digest, frame_of, merged, read, write
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.files import read_table, write_table

STORE = Store.build([recording(50, "s1", source_hash="f1"), recording(70, "s2", source_hash="f2")])
ROW = {
    "role": "test",
    "recording": "ab",
    "subject": "cd",
    "sample_rate": 50.0,
    "start": 0,
    "stop": 9,
    "sketch": "AQAAAA==",
}


def spans(frame, role):
    """Intervals of a role, in the order of the table."""
    rows = frame.loc[frame["role"] == role]
    return list(zip(rows["start"], rows["stop"], strict=True))


def window(*starts, length=10, store=STORE):
    return Windows(store, length, np.array(starts, int))


@given(
    notes=st.lists(
        st.tuples(
            st.sampled_from(list(ROLES)),
            st.integers(1, 40),
            st.lists(st.integers(0, 80), max_size=6),
        ),
        max_size=8,
    )
)
def test_intervals_are_the_samples_that_were_noted(notes):
    ledger, used = Ledger("mine"), {role: np.zeros(120, bool) for role in ROLES}
    for role, length, starts in notes:
        ledger.note(role, window(*sorted(starts), length=length))
        for start in starts:
            used[role][start : start + length] = True
    expected = {}
    for role, mask in used.items():
        for file, samples in (("f1", mask[:50]), ("f2", mask[50:])):
            edges = np.diff(samples.astype(int), prepend=0, append=0)
            starts, stops = (
                np.flatnonzero(edges == 1).tolist(),
                np.flatnonzero(edges == -1).tolist(),
            )
            expected[role, file] = list(zip(starts, stops, strict=True))
    files, found = file_of_recording(), {key: [] for key in expected}
    for row in ledger.frame().itertuples():
        found[row.role, files[row.recording]].append((row.start, row.stop))
    assert found == expected


def file_of_recording():
    """Which file the recordings of `STORE` came from, by their hash: f1 has 50 samples, f2 70."""
    ledger = Ledger("mine")
    ledger.note("test", window(0, 50, length=50))
    ledger.note("test", window(50, length=70))
    frame = ledger.frame()
    return dict(zip(frame["recording"], np.where(frame["stop"] == 50, "f1", "f2"), strict=True))


def test_windows_noted_again_change_nothing():
    once, often = Ledger("mine"), Ledger("mine")
    once.note("fitting", window(0, 20, 60))
    for _ in range(3):
        often.note("fitting", window(0, 20, 60))
        often.note("fitting", window(0, 20, 60), [2, 0])
    pd.testing.assert_frame_equal(once.frame(), often.frame())


@pytest.mark.parametrize("chosen", [[0, 2], np.array([2, 0]), np.array([True, False, True])])
def test_indices_and_masks_choose_windows(chosen):
    ledger = Ledger("mine")
    ledger.note("fitting", window(0, 20, 40), chosen)
    assert spans(ledger.frame(), "fitting") == [(0, 10), (40, 50)]


def test_no_window_leaves_no_row():
    ledger = Ledger("mine")
    ledger.note("fitting", window(0, 20), [])
    assert ledger.frame().empty
    assert list(ledger.frame()) == list(COLUMNS)


def test_roles_keep_apart_and_come_in_their_order():
    ledger = Ledger("mine")
    for role in reversed(ROLES):
        ledger.note(role, window(0))
    assert ledger.frame()["role"].tolist() == list(ROLES)


def test_unknown_role_suggests_the_near_one():
    with pytest.raises(ValueError, match="no role 'tests': did you mean test"):
        Ledger("mine").note("tests", window(0))


def test_recording_and_subject_are_known_again_in_another_store():
    other = Store.build([recording(70, "s2", source_hash="f2")])
    ledger = Ledger("mine")
    ledger.note("fitting", window(60))
    ledger.note("test", window(10, store=other))
    one, two = ledger.frame().drop(columns="role").to_dict("records")
    assert one == two


def test_recording_without_a_file_is_known_by_its_dataset():
    stores = [Store.build([recording(50, "s1")]) for _ in range(2)]
    ledger = Ledger("mine")
    ledger.note("fitting", window(0, store=stores[0]))
    ledger.note("test", window(0, store=stores[1]))
    ledger.note("choice", window(0, store=stores[1]), dataset="yours")
    recordings = ledger.frame().set_index("role")["recording"]
    assert recordings["fitting"] == recordings["test"] != recordings["choice"]


def test_subjects_of_one_name_in_two_datasets_are_two_people():
    ledger = Ledger("mine")
    ledger.note("fitting", window(0))
    ledger.note("test", window(0), dataset="yours")
    one, two = ledger.frame().to_dict("records")
    assert one["subject"] != two["subject"]
    assert one["recording"] == two["recording"]


def test_intervals_of_two_stores_are_merged():
    other = Store.build([recording(50, "s1", source_hash="f1")])
    ledger = Ledger("mine")
    ledger.note("fitting", window(0, 30))
    ledger.note("fitting", window(10, store=other))
    assert spans(ledger.frame(), "fitting") == [(0, 20), (30, 40)]


def test_ledgers_of_the_parts_of_a_unit_are_merged():
    parts, whole = [Ledger("mine") for _ in range(3)], Ledger("mine")
    for ledger, starts in zip(parts, [(0, 20, 60), (5, 60), ()], strict=True):
        for role in ("test", "fitting"):
            ledger.note(role, window(*starts))
            whole.note(role, window(*starts))
    pd.testing.assert_frame_equal(merged([part.frame() for part in parts]), whole.frame())
    assert merged([]).empty


def test_names_are_hidden():
    ledger = Ledger("mine")
    ledger.note("fitting", window(0))
    row = ledger.frame().iloc[0]
    for name in ("recording", "subject"):
        assert len(row[name]) == 16
        assert int(row[name], 16) >= 0


def test_recordings_of_one_name_are_distinct():
    store = Store.build([recording(50, "s1", name="walk"), recording(50, "s1", name="walk")])
    ledger = Ledger("mine")
    ledger.note("fitting", window(0, 50, store=store))
    assert spans(ledger.frame(), "fitting") == [(0, 10), (0, 10)]


def test_copy_under_another_subject_is_the_same_recording():
    both = Store.build([recording(50, name, source_hash="f1") for name in ("s1", "s2")])
    ledger = Ledger("mine")
    ledger.note("fitting", window(0, store=both))
    ledger.note("test", window(55, store=both))
    fitted, tested = ledger.frame().to_dict("records")
    assert fitted["recording"] == tested["recording"]
    assert fitted["subject"] != tested["subject"]
    assert (tested["start"], tested["stop"]) == (5, 15)


def test_stretches_of_one_file_are_distinct_and_known_in_any_store():
    stretches = [recording(50, "s1", source_hash="f1") for _ in range(3)]
    copies = [recording(50, "s2", source_hash="f1") for _ in range(3)]
    stores = [
        stretches,
        [recording(50, "s1", source_hash="f2"), *stretches],
        [copies[0], *stretches, *copies[1:]],
        copies,
    ]
    found = []
    for store in map(Store.build, stores):
        ledger = Ledger("mine")
        ledger.note("test", window(*range(0, len(store.signal), 50), store=store))
        found.append(set(ledger.frame()["recording"]))
    assert len(found[0]) == 3
    assert found[0] == found[2] == found[3]
    assert found[0] < found[1]
    assert len(found[1]) == 4


def test_file_gives_the_provenance_back_and_equal_notes_give_equal_bytes(tmp_path):
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, order in zip(paths, [(0, 1), (1, 0)], strict=True):
        ledger = Ledger("mine")
        for part in order:
            ledger.note(("fitting", "test")[part], window(0 + 60 * part, 20 + 60 * part))
        write(ledger.frame(), path)
    pd.testing.assert_frame_equal(read(paths[0]), ledger.frame())
    assert digest(read(paths[0])) == digest(ledger.frame())
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_rows_pass_through_json():
    ledger = Ledger("mine")
    ledger.note("test", window(0, 20))
    rows = json.loads(json.dumps(ledger.frame().to_dict("records")))
    pd.testing.assert_frame_equal(frame_of(rows), ledger.frame())


def test_empty_ledger_is_read_back(tmp_path):
    write(frame_of([]), tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read(tmp_path / "a.parquet"), Ledger().frame())


@pytest.mark.parametrize("name", COLUMNS)
def test_digest_depends_on_every_column(name):
    changed = ROW | {name: {str: "fitting", float: 25.0, int: 5}[COLUMNS[name]]}
    assert digest(pd.DataFrame([ROW])) != digest(pd.DataFrame([changed]))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no provenance file .*gone\.parquet: run"):
        read(tmp_path / "gone.parquet")


def test_a_damaged_byte_is_named_or_changes_nothing(tmp_path):
    path = tmp_path / "a.parquet"
    ledger = Ledger("mine")
    ledger.note("test", window(0, 20, 60))
    write(ledger.frame(), path)
    whole, n_named = path.read_bytes(), 0
    for position in range(0, len(whole), 5):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            pd.testing.assert_frame_equal(read(path), ledger.frame())
        except ValueError as error:
            assert f"{path} is damaged, or not written by tsclr" in str(error)  # noqa: PT017
            n_named += 1
    assert n_named > 50


def test_cut_file_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    ledger = Ledger("mine")
    ledger.note("test", window(0))
    write(ledger.frame(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"a\.parquet is damaged, or not written by tsclr"):
        read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "training"}, "row 1 has the role 'training': allowed are pretraining"),
        ({"start": 9}, "row 1 has samples 9 to 9"),
        ({"start": -1}, "row 1 has samples -1 to 9"),
        ({"sample_rate": float("nan")}, "row 1 has a rate of nan Hz"),
        ({"sample_rate": 0.0}, "row 1 has a rate of 0.0 Hz"),
        ({"subject": None}, "row 1 is .* a provenance has role"),
        ({"more": 1}, "row 0 is .* a provenance has role"),
    ],
)
def test_rows_that_no_ledger_writes_are_refused(tmp_path, change, message):
    row = {name: value for name, value in ROW.items() if name != "sketch"}
    more = dict.fromkeys(change.keys() - row.keys(), 0)
    write_table(tmp_path / "a.parquet", [row | more, row | change], {"format": 1})
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.parquet")


def test_another_kind_of_table_is_refused(tmp_path):
    write_table(tmp_path / "a.parquet", [ROW], {"format": 2})
    with pytest.raises(ValueError, match=r"has header {'format': 2}, a provenance has"):
        read(tmp_path / "a.parquet")


def sketched(n_windows=30):
    """A ledger on three long recordings, which have a sketch each."""
    long = [recording(1000, f"s{number}", f"w{number}", seed=number) for number in range(3)]
    ledger = Ledger("mine")
    for role in ("fitting", "test"):
        ledger.note(role, window(*range(0, 100 * n_windows, 100), store=Store.build(long)))
    return ledger


def test_each_recording_has_its_sketch_once():
    frame = sketched().frame()
    rows = frame.loc[frame["sketch"] != ""]
    assert len(frame) == 60
    assert rows["recording"].nunique() == len(rows) == 3
    assert (rows["role"] == "fitting").all()
    pd.testing.assert_frame_equal(merged([frame, frame.iloc[30:], frame.iloc[:5]]), frame)


def test_units_of_the_same_recordings_share_a_file_of_sketches(tmp_path):
    for name, ledger in (("a", sketched()), ("b", sketched(21))):
        write(ledger.frame(), tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(read(tmp_path / f"{name}.parquet"), ledger.frame())
    assert len(list(tmp_path.glob("sketches-*.parquet"))) == 1
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_of_sketches_that_is_gone_or_wrong_is_named(tmp_path):
    write(sketched().frame(), tmp_path / "a.parquet")
    (file,) = tmp_path.glob("sketches-*.parquet")
    before = digest(read(tmp_path / "a.parquet"))
    rows, header = read_table(file)
    write_table(file, rows[:1], header)
    assert digest(read(tmp_path / "a.parquet")) != before
    write_table(file, [rows[0] | {"sketch": "AQAAAAEAAAA="}], header)
    with pytest.raises(ValueError, match=r"sketches-\w+\.parquet has a sketch that cannot be read"):
        read(tmp_path / "a.parquet")
    file.unlink()
    with pytest.raises(ValueError, match=r"there is no provenance file .*sketches-\w+\.parquet"):
        read(tmp_path / "a.parquet")
