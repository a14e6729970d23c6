"""Readers: every way a log can look, and every way it can be wrong."""

import gzip
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsclr.readers import Reader, Tabular, find_files
from tsclr.specs import spec_of, subclasses
from tsclr.types import UNLABELLED, Recording

ACC = ["acc_x", "acc_y", "acc_z"]
SIX = [*ACC, "gyr_x", "gyr_y", "gyr_z"]
N = 200


@pytest.fixture
def log() -> pd.DataFrame:
    """Four seconds at 50 Hz: 1 g along z, a slow sine on the gyroscope."""
    table = pd.DataFrame({"t": np.arange(N) * 20})
    table[ACC] = np.tile([0.0, 0.0, 1.0], (N, 1))
    table[SIX[3:]] = np.sin(np.arange(N) / 10)[:, None].repeat(3, axis=1)
    return table


Write = Callable[[pd.DataFrame | str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: pd.DataFrame | str | bytes) -> Path:
        path = tmp_path / "log.csv"
        if isinstance(content, pd.DataFrame):
            content = content.to_csv(index=False)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file


def read(path: Path, **settings) -> list[Recording]:
    return list(Tabular(**({"time": "t"} | settings)).read(path))


# --- what every reader keeps to -----------------------------------------------------------------


@pytest.mark.parametrize("kind", subclasses(Reader).values())
def test_reader_contract(kind: type[Reader]) -> None:
    assert kind.suffixes
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in kind.suffixes)


def test_settings_are_plain_data() -> None:
    reader = Tabular(columns={"acc_x": "a", "acc_y": "b", "acc_z": "c"}, log_rate=50.0)
    spec = spec_of(reader)
    assert spec["columns"] == {"acc_x": "a", "acc_y": "b", "acc_z": "c"}
    assert vars(reader).keys() == spec.keys() - {"class"}


# --- files --------------------------------------------------------------------------------------


def test_find_files_expands_folders_sorted(tmp_path: Path) -> None:
    for name in ("b.csv", "a/c.CSV", "a/x.txt", ".hidden/d.csv", "a/.e.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert find_files([tmp_path, tmp_path / "b.csv"], [".csv"]) == [
        tmp_path / "a/c.CSV",
        tmp_path / "b.csv",
    ]


def test_find_files_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "x.txt").touch()
    with pytest.raises(ValueError, match="no file to read"):
        find_files([tmp_path], [".csv"])
    with pytest.raises(ValueError, match="no path given"):
        find_files([], [".csv"])
    with pytest.raises(ValueError, match=r"name must end in \.csv, \.parquet"):
        find_files([tmp_path / "x.txt"], [".parquet", ".csv"])
    with pytest.raises(ValueError, match="no such file"):
        find_files([tmp_path / "nothing"], [".csv"])
    with pytest.raises(ValueError, match="no such file"):
        read(tmp_path / "nothing.csv")


# --- what is read -------------------------------------------------------------------------------


def test_a_log_is_read_whole(log: pd.DataFrame, write: Write) -> None:
    path = write(log)
    [found] = read(path)
    assert found.channels == tuple(SIX)
    np.testing.assert_array_equal(found.signal, log[SIX].to_numpy(np.float32))
    assert (found.sample_rate, found.name, found.subject) == (50.0, "log", "")
    assert (found.start_time, found.labels, found.repairs) == (0, None, {})
    assert found.source == str(path)
    assert found.source_hash == hashlib.sha256(path.read_bytes()).hexdigest()


def test_parquet_and_gzip_read_like_csv(log: pd.DataFrame, tmp_path: Path, write: Write) -> None:
    log["who"], log["what"] = "s1", pd.Categorical(["walk"] * 100 + [None] * 100)
    settings = {"subject": "who", "label": "what"}
    [expected] = read(write(log), **settings)
    log.index = pd.Index(np.arange(N) + 5, name="row")  # kept by Parquet, ignored by the reader
    log.to_parquet(tmp_path / "log.parquet")
    with gzip.open(tmp_path / "log.csv.gz", "wt") as file:
        file.write(log.to_csv(index=False))
    for name in ("log.parquet", "log.csv.gz"):
        [found] = read(tmp_path / name, **settings)
        np.testing.assert_array_equal(found.signal, expected.signal)
        assert found.labels is not None
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert (found.name, found.subject, found.classes) == ("log", "s1", ("walk",))


def test_columns_and_units_are_mapped(log: pd.DataFrame, write: Write) -> None:
    names = dict(zip(SIX, ["ax", "ay", "az", "wx", "wy", "wz"], strict=True))
    log[ACC] *= 9.80665
    log[SIX[3:]] *= 180 / np.pi
    units = {"acc": "m/s2", "gyr": "dps"}
    # Written in any order and padded with blanks; channels come in theirs.
    path = write(
        log.rename(columns=names | {"acc_x": " ax"})[["wz", "wy", "wx", "t", *[" ax", "ay", "az"]]]
    )
    [found] = read(path, columns=dict(reversed(names.items())), units=units)
    assert found.channels == tuple(SIX)
    np.testing.assert_allclose(found.signal[:, 2], 1.0, rtol=1e-6)
    np.testing.assert_allclose(found.signal[:, 5], np.sin(np.arange(N) / 10), atol=1e-6)


def test_several_devices_are_kept_apart(log: pd.DataFrame, write: Write) -> None:
    both = log[ACC].add_prefix("Wrist_").join(log[SIX].add_prefix("hip_"))
    [found] = read(write(both), time=None, log_rate=50.0)
    wrist = ("wrist_acc_x", "wrist_acc_y", "wrist_acc_z")
    assert found.channels == (*wrist, *(f"hip_{channel}" for channel in SIX))


@pytest.mark.parametrize(
    "form",
    [
        {"unit": "s", "start": 0.0, "step": 0.02},
        {"unit": "ms", "start": 1657544418323, "step": 20},
        {"unit": "us", "start": 1657544418323000, "step": 20_000},
        {"unit": "ns", "start": 1657544418323000000, "step": 20_000_000},
    ],
)
@pytest.mark.parametrize("declared", ["auto", "as it is"])
def test_numeric_time(log: pd.DataFrame, write: Write, form: dict, declared: str) -> None:
    log["t"] = form["start"] + np.arange(N) * form["step"]
    [found] = read(write(log), time_unit="auto" if declared == "auto" else form["unit"])
    assert found.sample_rate == 50.0
    assert found.start_time == pytest.approx(1657544418323000000 if form["start"] else 0, abs=256)
    assert len(found.signal) == N


@pytest.mark.parametrize("zone", ["", "Z", "+02:00"])
@pytest.mark.parametrize("time_unit", ["auto", "iso"])
def test_dates(log: pd.DataFrame, write: Write, zone: str, time_unit: str) -> None:
    moments = pd.Timestamp("2024-05-31 13:45:00") + pd.to_timedelta(np.arange(N) * 20, unit="ms")
    log["t"] = [moment.isoformat() + zone for moment in moments]
    [found] = read(write(log), time_unit=time_unit)
    shift = 2 * 3600 * 10**9 if zone == "+02:00" else 0
    assert found.start_time == pd.Timestamp("2024-05-31 13:45:00").value - shift
    assert (found.sample_rate, len(found.signal)) == (50.0, N)


def test_dates_in_parquet(log: pd.DataFrame, tmp_path: Path) -> None:
    log["t"] = pd.date_range("2024-05-31", periods=N, freq="20ms", tz="UTC").astype(
        "datetime64[us, UTC]"
    )
    log.to_parquet(tmp_path / "log.parquet")
    [found] = read(tmp_path / "log.parquet")
    assert found.start_time == pd.Timestamp("2024-05-31").value


def test_labels_and_subjects(log: pd.DataFrame, write: Write) -> None:
    log["what"] = ["walk"] * 50 + [""] * 50 + [" sit"] * 100
    log["who"] = [7] * 120 + [8] * 80
    first, second = read(write(log), label="what", subject="who", classes=["sit", "walk", "run"])
    assert (first.name, first.subject, second.name, second.subject) == ("log#1", "7", "log#2", "8")
    assert first.classes == ("sit", "walk", "run")
    assert first.labels is not None
    assert first.labels.tolist() == [1] * 50 + [UNLABELLED] * 50 + [0] * 20
    assert first.labels.dtype == np.int16


def test_pattern_reads_the_path(log: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "s07" / "walk_watch.csv"
    path.parent.mkdir()
    log.to_csv(path, index=False)
    pattern = r"(?P<subject>s\d+)/(?P<label>\w+)_(?P<device>\w+)\.csv$"
    [found] = read(path, pattern=pattern)
    assert (found.subject, found.classes, found.device) == ("s07", ("walk",), "watch")
    assert found.labels is not None
    assert not found.labels.any()
    with pytest.raises(ValueError, match="does not match the path"):
        read(path, pattern=r"(?P<subject>p\d+)/")
    [found] = read(path, pattern=r"(?P<subject>s\d+)(?P<device>left)?", classes=["walk"])
    assert (found.device, found.labels, found.classes) == ("", None, ("walk",))


def test_delimiter(log: pd.DataFrame, write: Write) -> None:
    text = log.to_csv(index=False, sep=";")
    assert len(read(write(text), delimiter=";")) == 1
    with pytest.raises(ValueError, match="is the delimiter right"):
        read(write(text))


def test_a_log_longer_than_one_block(write: Write, log: pd.DataFrame) -> None:
    long = pd.concat([log] * 300, ignore_index=True)
    long["t"] = np.arange(len(long)) * 20
    long["what"] = np.repeat(["walk", "sit", "walk"], len(long) // 3)
    path = write(long)
    assert path.stat().st_size > 2 << 20  # pyarrow reads blocks of 1 MiB
    [found] = read(path, label="what")
    np.testing.assert_array_equal(found.signal, long[SIX].to_numpy(np.float32))
    assert found.labels is not None
    assert np.bincount(found.labels).tolist() == [20_000, 40_000]


# --- repairs ------------------------------------------------------------------------------------


def test_gaps_missing_samples_and_bad_rows_are_counted(log: pd.DataFrame, write: Write) -> None:
    log.loc[100:, "t"] += 60_000
    log.loc[10:12, "acc_x"] = np.nan
    log.loc[20, "gyr_y"] = np.inf
    log["t"] = log["t"].astype(object)
    log.loc[30, "t"] = None
    log.loc[[40, 41], "t"] = log.loc[[41, 40], "t"].tolist()
    log.loc[50, "t"] = log.loc[49, "t"]
    text = log.to_csv(index=False) + "4000,1\n"
    first, second = read(write(text))
    assert first.repairs == {
        "malformed_rows": 1,
        "missing_stamps": 1,
        "gaps": 1,
        "interpolated_samples": 4,
        "backward_stamps": 1,
        "duplicate_stamps": 1,
    }
    assert second.repairs == {}
    assert (first.name, second.name) == ("log#1", "log#2")
    assert (len(first.signal), len(second.signal)) == (100, 100)
    assert np.isfinite(first.signal).all()


def test_a_clock_that_jumps_years_is_cut(log: pd.DataFrame, write: Write) -> None:
    log["t"] += np.repeat([0, 1657544418323], N // 2)
    log.loc[N - 20 :, "t"] = np.arange(20) * 20
    found = read(write(log))
    assert [recording.start_time // 10**6 for recording in found] == [0, 1657544420323, 0]
    assert found[0].repairs == {"gaps": 1, "clock_resets": 1}


def test_linear_acceleration_is_flagged(log: pd.DataFrame, write: Write) -> None:
    log["acc_z"] = 0.01
    [found] = read(write(log))
    assert found.repairs == {"unusual_gravity": 1}


def test_a_lone_row_of_a_subject_is_dropped(log: pd.DataFrame, write: Write) -> None:
    log["who"] = ["a"] * 100 + ["b"] + ["a"] * 99
    found = read(write(log), subject="who")
    assert [recording.subject for recording in found] == ["a", "a"]
    assert found[0].repairs == {"dropped_samples": 1}


# --- bad input ----------------------------------------------------------------------------------


def fails(path: Path, message: str, **settings) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read(path, **settings)
    assert str(caught.value).startswith(str(path))


def test_missing_columns_name_the_near_one(log: pd.DataFrame, write: Write) -> None:
    path = write(log.rename(columns={"t": "timestamp"}))
    fails(path, "no column 'time_stamp': did you mean timestamp", time="time_stamp")
    fails(path, "no column 'label'", time="timestamp", label="label")
    columns = dict(zip(ACC, ["accx", "acc_y", "acc_z"], strict=True))
    fails(path, "did you mean acc_x", columns=columns)
    fails(write("a,b\n1,2\n"), r"no column has the name of a channel.*Columns: a, b")
    fails(write(",".join(f"c{i}" for i in range(30)) + "\n1\n"), "and 10 more")


def test_an_incomplete_or_doubled_triad(log: pd.DataFrame, write: Write) -> None:
    fails(write(log.drop(columns="acc_y")), "acc has only x, z of x, y, z")
    fails(write(log.assign(ACC_X=0)), "channel 'acc_x' appears twice")
    doubled = log.to_csv(index=False).replace("gyr_z", "acc_x", 1)
    fails(write(doubled), "'acc_x' appears twice")
    columns = {channel: channel for channel in ACC}
    fails(write(doubled), "2 columns are called 'acc_x'", columns=columns)


@pytest.mark.parametrize("row", [0, 150])
def test_text_in_a_number_column(log: pd.DataFrame, write: Write, row: int) -> None:
    log["acc_y"] = log["acc_y"].astype(object)
    log.loc[row, "acc_y"] = "oops"
    fails(write(log), f"column 'acc_y', data row {row + 1}: cannot read 'oops'")


def test_text_after_the_first_block_is_found(log: pd.DataFrame, write: Write) -> None:
    text = log.to_csv(index=False, header=False)
    header = ",".join(log.columns) + "\n"
    fails(write(header + text * 300 + text.replace("0,0.0,", "x1,0.0,", 1)), "data row 60001")


def test_text_in_parquet(log: pd.DataFrame, tmp_path: Path) -> None:
    log.assign(acc_x="0.5").to_parquet(tmp_path / "log.parquet")
    fails(tmp_path / "log.parquet", "column 'acc_x' holds .*string such as '0.5', expected numbers")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ("12:00:01", "time column 't' holds time32"),
        ("31.5.2024 13:45", "ISO 8601"),
        ("", "time column 't' holds null"),
    ],
)
def test_time_in_another_form(log: pd.DataFrame, write: Write, times: str, message: str) -> None:
    fails(write(log.assign(t=times)), message)


def test_time_that_contradicts_the_settings(log: pd.DataFrame, write: Write) -> None:
    fails(write(log), "holds numbers, but time_unit is 'iso'", time_unit="iso")
    fails(write(log.assign(t=log["t"] * 10)), "Name the unit")
    fails(write(log.assign(t=5)), "does not advance")
    fails(write(log), "declared 100 Hz, but the stamps say 50 Hz", log_rate=100.0)
    fails(write(log), "in ms at 50 Hz: declare the unit as ms", time_unit="s", max_gap=2.0)
    dates = pd.date_range("2024-05-31", periods=N, freq="20ms").astype(str)
    fails(write(log.assign(t=dates)), "holds dates, but time_unit is 'ms'", time_unit="ms")
    fails(write(log.assign(t=[np.inf] * N)), "time column 't' is empty")


def test_labels_outside_the_classes(log: pd.DataFrame, write: Write) -> None:
    log["what"] = ["walk"] * 100 + ["wlak"] * 100
    fails(
        write(log),
        "label 'wlak' in data row 101 is not in classes: did you mean walk",
        label="what",
        classes=["walk", "sit"],
    )
    many = pd.DataFrame({"what": np.arange(40_000)}).assign(acc_x=0, acc_y=0, acc_z=1)
    fails(write(many), "40000 different labels", label="what", time=None, log_rate=50.0)


def test_an_empty_subject(log: pd.DataFrame, write: Write) -> None:
    log["who"] = ["a"] * 70 + [None] * 130
    fails(write(log), "subject is empty in data row 71", subject="who")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"t,acc_x,acc_y,acc_z\n", "a header but no rows"),
        (b"t,acc_x,acc_y,acc_z", "header"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "zero bytes"),
        (bytes(range(128, 256)) * 2000, "UTF-8"),
        ("t,acc_x,acc_y,acc_z\n1,2,3,4\n".encode("utf-16"), "UTF-16 or a binary file"),
        ("tête,acc_x\n1,2\n".encode("latin-1"), "UTF-8 text with a header row"),
        (b"t,acc_x,acc_y,acc_z\n" + b"1,2\n" * 5 + b"1,2,3,4\n", "5 of 6 rows do not have the 4"),
        (b"0,0.1,0.2,1e3\n0.02,1,2,3\n", "put names into the first row"),
        (b"acc_x,0.1,0.2,0.3\nacc_y,1,2,3\nacc_z,1,2,3\n", "transpose the table"),
        (b"x" * (1 << 19), "cannot be read"),
    ],
)
def test_a_file_that_is_no_log(write: Write, content: bytes, message: str) -> None:
    fails(write(content), message)


def test_labels_that_are_not_utf8(log: pd.DataFrame, write: Write) -> None:
    text = log.assign(what="fußweg").to_csv(index=False).encode("latin-1")
    fails(write(text), "UTF-8", label="what")


def test_damaged_parquet(log: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    log.to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    fails(path, "was the copy cut short")
    path.write_bytes(whole[:100] + bytes(len(whole) // 2) + whole[100 + len(whole) // 2 :])
    fails(path, "expected a complete Parquet file")
    log[:0].to_parquet(path)
    fails(path, "a header but no rows")


def test_nothing_usable(log: pd.DataFrame, write: Write) -> None:
    fails(write(log.assign(acc_x=np.nan)), "no two consecutive samples can be used")


def test_the_wrong_unit_of_acceleration(log: pd.DataFrame, write: Write) -> None:
    log[ACC] *= 9.81
    fails(write(log), "looks like m/s², not g")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time": None}, "neither time nor log_rate"),
        ({"units": {"acc": "m/s3"}}, r"unknown unit 'm/s3' of acc: did you mean m/s"),
        ({"units": {"accel": "g"}}, "unknown sensor 'accel'"),
        ({"columns": {"acc_w": "a"}}, "unknown channel 'acc_w'"),
        ({"columns": dict.fromkeys(ACC, "a")}, "column 'a' appears twice"),
        ({"time_unit": "sec"}, "unknown time_unit 'sec'"),
        ({"log_rate": 0.0}, "log_rate is 0, must be positive"),
        ({"max_gap": -1.0}, "max_gap is -1, must be positive"),
        ({"delimiter": ", "}, "must be one character"),
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": r"\d+"}, "names no group"),
        ({"pattern": "(?P<subjct>.)"}, "did you mean subject"),
        (
            {"pattern": "(?P<label>.)", "label": "what"},
            "label comes from a column and from pattern",
        ),
    ],
)
def test_settings_that_cannot_work(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tabular(**({"time": "t"} | settings))


# --- real logs ----------------------------------------------------------------------------------


def test_a_real_phone_log_with_batched_stamps(data_root: Path, tmp_path: Path) -> None:
    archive = data_root / "sp-sw-har.zip"
    if not archive.exists():
        pytest.skip(f"{archive.name} is not below TSCLR_DATA")
    names = [
        f"DATA/s11/s11_{trial}_{device}.csv" for trial in ("02", "09") for device in ("sp", "sw")
    ]
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path, names)
    columns = {
        f"{sensor}_{axis}": f"{axis}_{name}"
        for sensor, name in {"acc": "acc", "gyr": "gyro"}.items()
        for axis in "xyz"
    }
    reader = Tabular(
        columns=columns,
        units={"acc": "m/s2"},
        time="timestamp",
        label="label",
        pattern=r"(?P<subject>s\d+)_\d+_(?P<device>s[pw])",
    )
    for path in find_files([tmp_path], reader.suffixes):
        [found] = reader.read(path)
        table = pd.read_csv(path)
        assert found.repairs["batched_samples"] >= len(table) - 2
        assert found.subject == "s11"
        assert abs(len(found.signal) - len(table)) < 10
        assert 100 < found.sample_rate < 106
        seconds = (table["timestamp"].iloc[-1] - table["timestamp"].iloc[0]) / 1000
        assert len(found.signal) / found.sample_rate == pytest.approx(seconds, abs=0.2)
        assert 0.9 < np.median(np.linalg.norm(found.signal[:, :3], axis=1)) < 1.1
        assert found.labels is not None
        assert len(set(found.labels)) == 5


def test_a_declared_unit_of_time_that_makes_no_sense_is_refused(log, write):
    seconds = log.assign(t=1.6e9 + np.arange(len(log)) / 50)
    fails(write(seconds), "in ms this log runs at .* Hz, in s at 50 Hz", time_unit="ms")


@pytest.mark.parametrize(("name", "delimiter"), [("log.tsv", ","), ("log.csv", "\\t")])
def test_tabs_between_columns(tmp_path, name, delimiter):
    rows = "".join(f"{20 * i}\t0\t0\t1\n" for i in range(100))
    (tmp_path / name).write_text("time\tacc_x\tacc_y\tacc_z\n" + rows)
    [found] = Tabular(time="time", delimiter=delimiter).read(tmp_path / name)
    assert found.signal.shape == (100, 3)
