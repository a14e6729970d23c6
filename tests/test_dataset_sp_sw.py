"""sp-sw: two devices with clocks of their own come out on one; damage is named."""

import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.datasets import SpSw
from tsclr.types import UNLABELLED, Recording

EPOCH = 1_657_533_977_000  # ms
RATES = {"sp": 102.4, "sw": 104.3}
SECONDS = 6.0
BORDER = 3.0
G = 9.80665
HEADER = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label"


def waves(seconds: np.ndarray) -> np.ndarray:
    """What both devices feel: 2 Hz, 40 Hz and gravity (m/s²); 1 Hz, rest and a constant (rad/s)."""
    still = np.zeros_like(seconds)
    acceleration = [G * np.sin(2 * np.pi * f * seconds) for f in (2, 40)]
    rotation = np.sin(2 * np.pi * seconds)
    return np.column_stack([*acceleration, still + G, rotation, still, still + 0.5])


def log(ending: str, begin: float = 0.0, border: float = BORDER) -> str:
    """A file of one device that is on from `begin` s; three in ten samples are handed over late."""
    rate = RATES[ending]
    seconds = begin + np.arange(int((SECONDS - begin) * rate)) / rate
    index = np.arange(len(seconds))
    late = np.minimum(index + np.where(index % 10 > 6, 10 - index % 10, 0), len(index) - 1)
    stamps = EPOCH + np.rint(seconds[late] * 1000).astype(int)
    labels = np.where(seconds < border, "SEATED", "STANDING_UP")
    rows = zip(waves(seconds), stamps, labels, strict=True)
    lines = (f"{','.join(f'{v:.9f}' for v in row)},{stamp},{label}" for row, stamp, label in rows)
    return "\n".join([HEADER, *lines]) + "\n"


def file_of(folder: Path, name: str) -> Path:
    return folder / "DATA" / name[:3] / f"{name}.csv"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Two executions of two subjects, unpacked."""
    root = tmp_path / "unpacked"
    for name in ("s01_01", "s02_01"):
        file_of(root, name).parent.mkdir(parents=True)
        for ending in RATES:
            file_of(root, f"{name}_{ending}").write_text(log(ending))
    (root / "DATA" / "executions_info.csv").write_text(
        "execution_id,orientation,first_turn,second_turn\ns01_01,back,l,r\ns02_01,front,r,r\n"
    )
    n_rows = {
        device: 2 * int(SECONDS * RATES[e]) for device, e in (("phone", "sp"), ("watch", "sw"))
    }
    monkeypatch.setattr(SpSw, "log_rows", n_rows)
    monkeypatch.setattr(SpSw, "facts", {"recordings": 2, "subjects": 2})
    monkeypatch.delenv("TSCLR_DATA", raising=False)
    return root


def read(root: Path) -> list[Recording]:
    return list(SpSw(str(root)).recordings())


def first(folder: Path) -> Recording:
    return next(SpSw(str(folder)).recordings())


# One clock


def test_both_devices_show_the_same_moment(folder):
    """Late stamps are up to 30 ms off, which alone would be an error of 0.37 g at 2 Hz."""
    recording = first(folder)
    start = recording.start_time * 1e-9 - EPOCH * 1e-3
    expected = waves(start + np.arange(len(recording.signal)) / 50)
    inside = slice(10, -10)  # the anti-alias filter reaches 0.2 s
    for device in (0, 6):
        signal = recording.signal[inside, device : device + 6]
        np.testing.assert_allclose(signal[:, 0], expected[inside, 0] / G, atol=0.02)
        np.testing.assert_allclose(signal[:, 3], expected[inside, 3], atol=0.02)
    assert start == pytest.approx(0.0, abs=2e-3)


def test_units_are_g_and_rad_per_second(folder):
    signal = first(folder).signal
    np.testing.assert_allclose(signal[:, [2, 8]], 1.0, atol=1e-5)
    np.testing.assert_allclose(signal[:, [5, 11]], 0.5, atol=1e-5)


def test_what_50_hz_cannot_hold_is_filtered_out(folder):
    """Without a filter 40 Hz would come back as 10 Hz at 0.3 to 1 g.

    What is left comes from linear interpolation: images of 40 Hz around multiples of the rate of
    the device fall below 25 Hz, the largest from four times 104.3 Hz at about (40 / 377)², 0.01 g.
    """
    assert np.abs(first(folder).signal[10:-10, [1, 7]]).max() < 0.03


def test_only_the_time_that_both_cover_is_kept(folder):
    file_of(folder, "s01_01_sw").write_text(log("sw", begin=1.5))
    recording = first(folder)
    assert recording.start_time * 1e-6 - EPOCH == pytest.approx(1500, abs=2)
    assert len(recording.signal) == pytest.approx(4.5 * 50, abs=2)
    expected = waves(1.5 + np.arange(len(recording.signal)) / 50)[10:-10, 0] / G
    np.testing.assert_allclose(recording.signal[10:-10, 0], expected, atol=0.03)
    assert recording.repairs["uncovered_samples"] == pytest.approx(1.5 * 102.4, abs=3)


# Labels and what is told


def test_a_label_is_that_of_the_nearest_sample(folder):
    labels = first(folder).labels
    assert set(labels[:149]) == {0}
    assert set(labels[152:]) == {1}


def test_where_the_devices_disagree_there_is_no_label(folder):
    file_of(folder, "s01_01_sw").write_text(log("sw", border=BORDER + 0.2))
    recording = first(folder)
    unlabelled = np.flatnonzero(recording.labels == UNLABELLED)
    assert len(unlabelled) == recording.repairs["disagreeing_labels"]
    assert len(unlabelled) == pytest.approx(10, abs=1)
    assert unlabelled[0] == pytest.approx(150, abs=1)
    np.testing.assert_array_equal(np.diff(unlabelled), 1)


def test_source_and_repairs_cover_both_files(folder):
    recording = first(folder)
    files = [file_of(folder, f"s01_01_{ending}") for ending in RATES]
    contents = b"".join(file.read_bytes() for file in files)
    assert recording.source == f"{files[0]} and {files[1]}"
    assert recording.source_hash == sha256(contents).hexdigest()
    assert recording.repairs["batched_samples"] == contents.count(b"\n") - 2
    assert (recording.name, recording.subject) == ("s01_01", "s01")


def test_a_zip_file_with_a_folder_above_reads_the_same(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "sp-sw-har.zip", "w") as archive:
        for file in folder.rglob("*.csv"):
            archive.write(file, f"sp-sw-har-dataset-main/{file.relative_to(folder)}")
    for old, new in zip(read(folder), read(tmp_path / "sp-sw-har.zip"), strict=True):
        np.testing.assert_array_equal(old.signal, new.signal)
        np.testing.assert_array_equal(old.labels, new.labels)
        assert old.source_hash == new.source_hash


# Damage


def edit(name: str, change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """A change to the lines of one file; line 0 is the header."""

    def edited(folder: Path) -> None:
        file = file_of(folder, name)
        file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")

    return edited


def replaced(row: int, old: str, new: str) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        assert old in lines[row]
        return [*lines[:row], lines[row].replace(old, new), *lines[row + 1 :]]

    return change


def shifted(milliseconds: int, begin: int = 1) -> Callable[[list[str]], list[str]]:
    """Stamps of the rows from `begin` on moved in time."""

    def change(lines: list[str]) -> list[str]:
        rows = [line.split(",") for line in lines[begin:]]
        moved = [[*row[:6], str(int(row[6]) + milliseconds), row[7]] for row in rows]
        return [*lines[:begin], *map(",".join, moved)]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: file_of(folder, "s02_01_sw").unlink(), r"s02_01_sw\.csv is missing"),
        (edit("s01_01_sp", lambda lines: [*lines, "1,2,3"]), r"s01_01_sp\.csv: .*8 columns"),
        (edit("s01_01_sw", replaced(9, ",0.5", ",x")), r"s01_01_sw\.csv: .*numbers"),
        (edit("s01_01_sw", replaced(9, ",0.500000000", ",nan")), "row 8 .*not finite"),
        (edit("s01_01_sp", replaced(0, "x_gyro", "gyro")), r"s01_01_sp\.csv.*x_gyro"),
        (edit("s01_01_sp", replaced(0, "label", "activity")), "last column is 'activity'"),
        (
            edit("s02_01_sp", replaced(7, "SEATED", "SEATD")),
            r"s02_01_sp\.csv: row 6 after the header .*'SEATD': .*SEATED",
        ),
        (
            edit("s01_01_sw", shifted(60_000)),
            r"s01_01: .*never record at the same time \(0\.0 to 6\.0 s and 6",
        ),
        (
            edit("s01_01_sw", shifted(2_000, begin=300)),
            r"s01_01_sw\.csv: 625 stamps in 2 stretches",
        ),
        (edit("s01_01_sw", shifted(-90, begin=300)), r"s01_01_sw\.csv: 625 stamps in 2 stretches"),
        (edit("s01_01_sw", lambda lines: lines[:1]), r"s01_01_sw\.csv: 0 stamps in 0"),
        (edit("s01_01_sw", lambda lines: lines[:2]), r"s01_01_sw\.csv: 1 stamps in 1"),
        (edit("s02_01_sw", lambda lines: lines[:-1]), r"'watch': 1249\} rows, expected .*1250"),
        (
            lambda folder: (folder / "DATA" / "executions_info.csv").write_text("id\ns01_01\n"),
            r"'phone': 614, .* rows, expected .*1228",
        ),
    ],
)
def test_wrong_content_is_named(folder, change, message):
    change(folder)
    with pytest.raises(ValueError, match=message):
        read(folder)


# The real archive


@pytest.fixture(scope="module")
def recordings(data_root) -> list[Recording]:
    if not list(data_root.glob("sp*sw*")):
        pytest.skip(f"no sp-sw-har.zip in {data_root}")
    return list(SpSw(str(data_root)).recordings())


@pytest.fixture(scope="module")
def windows(recordings) -> Windows:
    return Windows.labelled(Store.build(recordings), SpSw.window, SpSw.stride)


def test_the_archive_has_the_published_counts(recordings):
    """The counts of the files themselves are those that reading checks."""
    assert len(recordings) == 223
    assert len({recording.subject for recording in recordings}) == 23
    repairs = [recording.repairs for recording in recordings]
    assert sum(repair["batched_samples"] for repair in repairs) == 259_213 + 262_553
    labels = np.concatenate([recording.labels for recording in recordings])
    assert set(labels) == {UNLABELLED, 0, 1, 2, 3, 4}
    unlabelled = np.count_nonzero(labels == UNLABELLED)
    assert sum(repair.get("disagreeing_labels", 0) for repair in repairs) == unlabelled
    assert unlabelled < 0.005 * len(labels)


def test_nearly_nothing_of_the_archive_is_left_out(recordings):
    left_out = sum(recording.repairs.get("uncovered_samples", 0) for recording in recordings)
    assert left_out < 0.005 * (259_213 + 262_553)
    assert {len(recording.signal) > 8 * 50 for recording in recordings} == {True}


def test_a_seated_person_measures_one_g_and_no_rotation_on_both_devices(recordings):
    seated = np.concatenate([r.signal[r.labels == 0] for r in recordings])
    for device in (0, 6):
        size = np.linalg.norm(seated[:, device : device + 3], axis=1)
        assert 0.95 < np.median(size) < 1.05
        assert np.abs(np.median(seated[:, device + 3 : device + 6], axis=0)).max() < 0.05


def test_steps_are_felt_by_both_devices_at_once(recordings):
    """Impacts of walking: the best lag between phone and watch is within two steps of 20 ms."""
    lags = []
    for recording in recordings:
        phone, watch = (
            np.linalg.norm(recording.signal[:, device : device + 3], axis=1) - 1
            for device in (0, 6)
        )
        scores = [phone[50:-50] @ np.roll(watch, lag)[50:-50] for lag in range(-25, 26)]
        lags.append(np.argmax(scores) - 25)
    assert abs(np.median(lags)) <= 2


def test_every_subject_has_windows_of_every_class(windows):
    counts = {
        subject: np.bincount(windows.labels[windows.subjects == subject], minlength=5)
        for subject in windows.store.subjects
    }
    assert len(counts) == 23
    assert min(count.min() for count in counts.values()) >= 1
    assert sum(counts.values()).tolist() == [254, 344, 2146, 613, 450]


def test_windows_hold_the_twelve_channels(windows):
    assert windows.take([0, 5]).shape == (2, 12, SpSw.window)
    assert windows.input_spec.units == (("g",) * 3 + ("rad/s",) * 3) * 2
