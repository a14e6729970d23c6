"""WISDM: two logs of a watch come out on one clock; what is repaired or left out is counted."""

import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.datasets import Wisdm
from tsclr.types import Recording

FIRST = 79_817_308_163_733  # ns since the watch was started
STEP = 49_923_000  # ns, 20.03 Hz
GRAVITY = 9.80665
BOUT = 1200  # rows, a minute
SENSORS = ("accel", "gyro")

Rows = dict[str, list[str]]


def moved(sensor: str, seconds: np.ndarray) -> np.ndarray:
    """What the watch feels: 1 Hz, 6 Hz and gravity (m/s²), or 1 Hz, rest and 6 Hz (rad/s)."""
    slow, fast = (np.sin(2 * np.pi * hertz * seconds) for hertz in (1, 6))
    if sensor == "accel":
        return GRAVITY * np.column_stack([slow, fast, np.ones_like(slow)])
    return np.column_stack([slow, np.zeros_like(slow), fast])


def lines(
    sensor: str,
    stamps: np.ndarray,
    code: str = "A",
    seconds: np.ndarray | None = None,
    subject: str = "1600",
) -> list[str]:
    """Rows of a log; `seconds` says when the samples were really taken."""
    values = moved(sensor, (stamps - FIRST) * 1e-9 if seconds is None else seconds)
    return [
        f"{subject},{code},{stamp},{x:.7f},{y:.7f},{z:.7f};"
        for stamp, (x, y, z) in zip(stamps, values, strict=True)
    ]


def regular(n_rows: int = BOUT, begin: float = 0.0, step: int = STEP) -> np.ndarray:
    """Stamps from `begin` seconds on."""
    return FIRST + round(begin * 1e9) + step * np.arange(n_rows)


def both(stamps: np.ndarray, code: str = "A", seconds: np.ndarray | None = None) -> Rows:
    return {sensor: lines(sensor, stamps, code, seconds) for sensor in SENSORS}


def write(root: Path, rows: Rows, subject: str = "1600") -> Path:
    for sensor, log in rows.items():
        folder = root / "raw" / "watch" / sensor
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"data_{subject}_{sensor}_watch.txt").write_text("\n".join([*log, ""]))
    return root


def read(root: Path) -> list[Recording]:
    return list(Wisdm(str(root)).recordings())


@pytest.fixture
def folder(tmp_path) -> Path:
    """The unpacked archive with one subject who walks for a minute."""
    return write(tmp_path / "wisdm-dataset", both(regular()))


def expected(n_samples: int, begin: float = 0.0) -> np.ndarray:
    """The movement in g and rad/s on the clock of the store."""
    seconds = begin + np.arange(n_samples) / Wisdm.sample_rate
    return np.hstack([moved("accel", seconds) / GRAVITY, moved("gyro", seconds)])


# What comes out


def test_both_sensors_come_out_on_one_clock_in_g_and_rad_per_s(folder):
    (recording,) = read(folder)
    assert (recording.subject, recording.name) == ("1600", "1600_A_1")
    assert recording.labels.tolist() == [0] * len(recording.signal)
    assert len(recording.signal) == np.ceil(BOUT * STEP * 1e-9 * 20)
    inside = slice(20, -20)
    truth = expected(len(recording.signal))
    np.testing.assert_allclose(recording.signal[inside], truth[inside], atol=0.05)
    assert np.std(recording.signal[inside, 1]) > 0.97 * np.sqrt(0.5)
    assert recording.repairs == {}
    files = recording.source, recording.source.replace("accel", "gyro")
    content = b"".join(Path(file).read_bytes() for file in files)
    assert recording.source_hash == sha256(content).hexdigest()


def test_only_the_time_in_which_both_run_is_taken(folder):
    late = {"accel": lines("accel", regular()[:-5]), "gyro": lines("gyro", regular()[3:])}
    (recording,) = read(write(folder, late))
    assert recording.repairs == {"one_sensor_samples": 8}
    assert len(recording.signal) == np.ceil((BOUT - 8) * STEP * 1e-9 * 20)
    truth = expected(len(recording.signal), begin=3 * STEP * 1e-9)
    np.testing.assert_allclose(recording.signal[20:-20], truth[20:-20], atol=0.05)


def test_a_gyroscope_with_stamps_of_its_own_is_interpolated(folder):
    shifted = regular(begin=0.02)
    (recording,) = read(write(folder, {"gyro": lines("gyro", shifted)}))
    assert recording.repairs == {"one_sensor_samples": 2, "interpolated_samples": BOUT - 1}
    truth = expected(len(recording.signal), begin=STEP * 1e-9)
    error = np.abs(recording.signal - truth)[20:-20, 3]
    assert error.max() < (STEP * 1e-9) ** 2 / 8 * (2 * np.pi) ** 2 + 0.001


def test_a_bout_of_one_sensor_is_left_out(folder):
    alone = lines("accel", regular(begin=100.0), "B")
    rows = both(regular())
    (recording,) = read(write(folder, {"accel": rows["accel"] + alone}))
    assert recording.labels[0] == 0
    assert recording.repairs == {"one_sensor_samples": BOUT}


def test_sensors_that_never_run_together_are_named(folder):
    write(folder, {"gyro": lines("gyro", regular(begin=1000.0))})
    message = rf"accel_watch\.txt and data_1600_gyro.* no stretch .*: {2 * BOUT}\}}"
    with pytest.raises(ValueError, match=message):
        read(folder)


def test_a_bout_is_cut_at_gaps_and_short_pieces_are_left_out(folder):
    parts = [regular(400), regular(300, begin=20.2), regular(15, begin=40.0)]
    first, second = read(write(folder, both(np.concatenate(parts))))
    assert [first.name, second.name] == ["1600_A_1", "1600_A_2"]
    assert first.repairs == {"gaps": 2, "short_samples": 15}
    assert second.repairs == {}
    assert [len(first.signal), len(second.signal)] == [400, 300]
    np.testing.assert_allclose(second.signal[20:-20], expected(300, 20.2)[20:-20], atol=0.05)


def test_one_lost_sample_is_a_gap(folder):
    first, second = read(write(folder, both(np.delete(regular(), 500))))
    assert (len(first.signal), first.repairs) == (500, {"gaps": 1})
    assert len(second.signal) == BOUT - 501 - 1


def test_repeated_and_swapped_blocks_change_nothing_but_the_counts(folder):
    (whole,) = read(folder)
    rows = {sensor: log[600:] + log[:600] + log[100:200] for sensor, log in both(regular()).items()}
    (recording,) = read(write(folder, rows))
    np.testing.assert_array_equal(recording.signal, whole.signal)
    assert recording.repairs == {"backward_stamps": 2 * 2, "duplicate_stamps": 2 * 100}


def test_rows_of_two_activities_are_left_out_of_both(folder):
    kicking, catching = regular(), regular(begin=40 * 20 * STEP * 1e-9)
    rows = both(kicking, "M")
    for sensor, log in both(catching, "O").items():
        rows[sensor] += log
    first, second = read(write(folder, rows))
    assert [r.classes[r.labels[0]] for r in (first, second)] == ["kicking a ball", "playing catch"]
    assert first.repairs == {"contradictory_rows": 4 * 400}
    assert [len(first.signal), len(second.signal)] == [799, 799]


def test_what_100_hz_hold_above_10_hz_does_not_fold_down(folder):
    stamps = regular(3000, step=9_950_000)
    seconds = (stamps - FIRST) * 1e-9
    rows = both(stamps)
    tone = 5 * np.sin(2 * np.pi * 19 * seconds)
    rows["gyro"] = [
        f"1600,A,{stamp},{slow:.6f},{high:.6f},0;"
        for stamp, slow, high in zip(stamps, np.sin(2 * np.pi * seconds), tone, strict=True)
    ]
    (recording,) = read(write(folder, rows))
    assert len(recording.signal) == pytest.approx(3000 * 0.00995 * 20, abs=1)
    truth = expected(len(recording.signal))
    np.testing.assert_allclose(recording.signal[20:-20, 0], truth[20:-20, 0], atol=0.02)
    assert np.abs(recording.signal[20:-20, 4]).max() < 0.05


def test_stamps_that_settle_slowly_cost_no_high_frequencies(folder):
    taken = np.arange(BOUT) * 0.05
    drift = 0.07 * (1 - np.exp(-np.arange(BOUT) / 200))
    stamps = FIRST + np.rint((taken + drift) * 1e9).astype(np.int64)
    (recording,) = read(write(folder, both(stamps, seconds=taken)))
    assert np.std(recording.signal[20:-20, 1]) > 0.97 * np.sqrt(0.5)


def test_a_rate_that_changes_without_a_gap_is_left_out(folder):
    uneven = np.concatenate([regular(300), regular(300, begin=300 * STEP * 1e-9, step=9_950_000)])
    rows = both(uneven, "B")
    for sensor, log in both(regular(begin=100.0)).items():
        rows[sensor] += log
    (recording,) = read(write(folder, rows))
    assert recording.labels[0] == 0
    assert recording.repairs == {"uneven_samples": 600}


# Damage


def test_damaged_lines_are_counted_and_the_rest_is_read(folder):
    (whole,) = read(folder)
    stamp = FIRST + 3_000_000_000_000
    damaged = [
        f"1600,A,{stamp},0.1",
        f"1600,A,{stamp},0.1,0.2,;",
        f"1600,A,{stamp},nan,0.2,0.3;",
        f"1600,N,{stamp},0.1,0.2,0.3;",
        f"1601,A,{stamp},0.1,0.2,0.3;",
        f"1600,A,{stamp},0.1,0.21600,A,{stamp},0.1,0.2,0.3;",
        ",,,,,;",
    ]
    log = lines("accel", regular())
    for place, line in enumerate(damaged):
        log.insert(150 * place, line)
    (recording,) = read(write(folder, {"accel": log}))
    np.testing.assert_array_equal(recording.signal, whole.signal)
    assert recording.repairs == {"malformed_rows": len(damaged)}


@pytest.mark.parametrize("between", ["", "\r\n", "\n\n"])
def test_rows_end_at_the_semicolon(folder, between):
    (whole,) = read(folder)
    file = folder / "raw" / "watch" / "accel" / "data_1600_accel_watch.txt"
    file.write_bytes(file.read_bytes().replace(b"\n", between.encode()))
    (recording,) = read(folder)
    np.testing.assert_array_equal(recording.signal, whole.signal)
    assert recording.repairs == {}


def change(sensor: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        file = folder / "raw" / "watch" / sensor / f"data_1600_{sensor}_watch.txt"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return apply


def empty(folder: Path) -> None:
    (folder / "raw" / "watch" / "gyro" / "data_1600_gyro_watch.txt").write_text("")


def remove_gyroscope(folder: Path) -> None:
    (folder / "raw" / "watch" / "gyro" / "data_1600_gyro_watch.txt").unlink()


def add_lonely_gyroscope(folder: Path) -> None:
    write(folder, {"gyro": lines("gyro", regular(), subject="1601")}, "1601")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            change("accel", "1600,A,", "1601,A,"),
            r"data_1600_accel.*1200 of 1200 lines are not 1600",
        ),
        (change("gyro", "1600,A,", "1600,N,"), "data_1600_gyro.*with a code in ABCDEFGHIJKLMOPQRS"),
        (change("gyro", ",0.0000000,", ",none,"), "data_1600_gyro.*none.*expected lines subject"),
        (change("accel", f",{FIRST},", ",soon,"), "data_1600_accel.*soon.*expected lines subject"),
        (empty, r"data_1600_gyro.*[Ee]mpty"),
        (remove_gyroscope, r"data_1600_gyro_watch\.txt is missing"),
        (add_lonely_gyroscope, r"data_1601_accel_watch\.txt is missing"),
    ],
)
def test_a_wrong_file_is_named(folder, damage, message):
    damage(folder)
    with pytest.raises(ValueError, match=message):
        read(folder)


# Archives


def test_every_fourth_subject_found_is_held_out(folder):
    for number in range(1601, 1609):
        subject = str(number)
        rows = {s: lines(s, regular(100), subject=subject) for s in SENSORS}
        write(folder, rows, subject)
    (folder / "raw" / "watch" / "accel" / "._data_1700_accel_watch.txt").write_text("")
    assert Wisdm(str(folder.parent)).test_subjects == ("1602", "1606")
    assert {recording.subject for recording in read(folder.parent)} == set(
        map(str, range(1600, 1609))
    )


def zipped(folder: Path, archive: Path) -> Path:
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(folder.rglob("*.*")):
            out.write(file, file.relative_to(folder.parent))
    return archive


def test_an_archive_is_found_under_its_official_and_its_short_name(folder, tmp_path):
    (whole,) = read(tmp_path)
    for name in ("wisdm", *Wisdm.archive_names):
        root = zipped(folder, tmp_path / f"as {name}" / f"{name}.zip").parent
        (recording,) = read(root)
        np.testing.assert_array_equal(recording.signal, whole.signal)
    inner = zipped(folder, tmp_path / "download" / "wisdm-dataset.zip")
    outer = tmp_path / "nested" / Path(Wisdm.url).name
    outer.parent.mkdir()
    with zipfile.ZipFile(outer, "w") as out:
        out.write(inner, inner.name)
    shutil.rmtree(inner.parent)
    assert len(read(outer.parent)) == 1
    assert Wisdm(str(outer.parent)).test_subjects == ()


def test_a_zip_without_gyroscopes_is_named(folder, tmp_path):
    shutil.rmtree(folder / "raw" / "watch" / "gyro")
    archive = zipped(folder, tmp_path / "zip" / "wisdm.zip")
    with pytest.raises(ValueError, match=r"wisdm\.zip.*data_1600_gyro_watch\.txt is missing"):
        read(archive.parent)


@pytest.fixture(scope="module")
def twelve(data_root) -> list[Recording]:
    """Everything in the archive of 12 people, read once."""
    if not (data_root / "wisdm-watch-12.zip").is_file():
        pytest.skip(f"no wisdm-watch-12.zip in {data_root}")
    return read(data_root / "wisdm-watch-12.zip")


def test_twelve_people_have_the_counts_that_the_class_tells(twelve):
    assert len(twelve) == 285
    assert sum(len(recording.signal) for recording in twelve) == 770_526
    repairs = Counter[str]()
    for recording in twelve:
        repairs.update(recording.repairs)
    assert repairs == {
        "contradictory_rows": 4638,
        "one_sensor_samples": 417,
        "gaps": 111,
        "short_samples": 1558,
    }


def test_the_twelve_did_everything_for_three_minutes_but_one_did_not_jog(twelve):
    seconds: Counter[tuple[str, str]] = Counter()
    for recording in twelve:
        code = recording.classes[recording.labels[0]]
        seconds[recording.subject, code] += len(recording.signal) / recording.sample_rate
    assert len(seconds) == 12 * 18 - 1
    assert ("1616", "jogging") not in seconds
    cut = {("1649", "kicking a ball"), ("1649", "playing catch")}
    for who, duration in seconds.items():
        assert who in cut or 165 < duration < 181
    assert all(100 < seconds[who] < 165 for who in cut)


def test_the_clock_is_that_of_the_stamps(twelve, data_root):
    """The longest stretch of each bout spans as many seconds as its first and last stamp tell."""
    with zipfile.ZipFile(data_root / "wisdm-watch-12.zip") as archive:
        text = archive.read("wisdm-dataset/raw/watch/gyro/data_1633_gyro_watch.txt").decode()
    stamps: dict[str, list[int]] = {}
    for line in text.split():
        _, code, stamp, *_ = line.split(",")
        stamps.setdefault(code, []).append(int(stamp))
    mine = [recording for recording in twelve if recording.subject == "1633"]
    assert [recording.name for recording in mine] == [f"1633_{code}_1" for code in sorted(stamps)]
    for recording in mine:
        told = stamps[recording.name.split("_")[1]]
        span = (told[-1] - told[0]) * 1e-9
        assert (len(recording.signal) - 1) / 20 == pytest.approx(span, abs=0.001 * span)


def test_every_class_has_windows_on_both_sides(twelve):
    store = Store.build(twelve)
    windows = Windows.labelled(store, Wisdm.window, Wisdm.stride, Wisdm.scored_classes)
    held_out = np.isin(windows.subjects, ["1608", "1624", "1645"])
    assert windows.input_spec.units == ("g",) * 3 + ("rad/s",) * 3
    assert len(windows) == 14_918
    for side in (held_out, ~held_out):
        assert np.bincount(windows.labels[side], minlength=18).min() > 190
