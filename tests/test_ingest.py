"""Ingesting logs, whole and interrupted: the old store or the new one, and never a file twice.

Run as a script it is the victim of the test with SIGKILL: see `serve`.
"""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.support.recordings import CHANNELS, recording
from tsclr.data.ingest import UNFINISHED, ingest
from tsclr.data.store import LABELS, SIGNAL, TABLE, Store
from tsclr.files import exclusive_lock, sha256
from tsclr.readers import Reader

N_OLD, N_FILES = 2, 4


class Plain(Reader):
    """Reads ``.npy`` arrays of three columns, two stretches a file; notes what it has read."""

    suffixes: ClassVar[tuple[str, ...]] = (".npy",)
    has_read: ClassVar[list[str]] = []
    pause: ClassVar[float] = 0.0

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def read(self, path):
        self.has_read.append(path.name)
        signal = np.load(path) * np.float32(self.scale)
        half = len(signal) // 2
        for number, part in enumerate((signal[:half], signal[half:])):
            time.sleep(self.pause)
            if len(part):
                yield recording(
                    signal=part,
                    subject=path.stem,
                    name=f"{path.stem}#{number}",
                    labels=np.full(len(part), number),
                    classes=("still", path.stem),
                    source=str(path),
                    source_hash=sha256(path),
                    repairs={"filled": number},
                )


@pytest.fixture(autouse=True)
def has_read():
    """Files read so far in a test."""
    Plain.has_read.clear()
    return Plain.has_read


def write_logs(folder, n=N_FILES):
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"log{number}.npy" for number in range(n)]
    for number, file in enumerate(files):
        rng = np.random.default_rng(number)
        np.save(file, rng.normal(size=(20_000 + number, 3)).astype(np.float32))
    return files


def content(folder):
    """Every byte of a store, but for the parts of Parquet that name its writer."""
    table = pq.read_table(folder / TABLE)
    return (
        (folder / SIGNAL).read_bytes(),
        (folder / LABELS).read_bytes(),
        table.to_pylist(),
        table.schema.metadata,
    )


def seen(store):
    """What a reader of a store sees, hashed."""
    parts = [store.signal.tobytes(), store.labels.tobytes(), store.recordings.to_json().encode()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return write_logs(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def reference(logs, tmp_path_factory):
    """What the old and the new state look like, and the bytes of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("reference")
    old = seen(ingest(logs[:N_OLD], folder, reader=Plain()))
    new = seen(ingest(logs, folder, reader=Plain()))
    return old, new, content(folder)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "store"


def test_store_on_disk_equals_the_one_in_memory(logs, out):
    stored = ingest(logs, out, reader=Plain())
    built = Store.build(each for file in logs for each in Plain().read(file))
    assert stored.signal.tobytes() == built.signal.tobytes()
    assert stored.labels.tobytes() == built.labels.tobytes()
    assert stored.recordings.drop(columns="reader").equals(built.recordings.drop(columns="reader"))
    assert (stored.channels, stored.sample_rate) == (built.channels, built.sample_rate)
    assert stored.classes == built.classes == ("still", *(f"log{n}" for n in range(N_FILES)))


def test_row_names_file_hash_settings_and_repairs(logs, out):
    row = ingest(logs[:1], out, reader=Plain(scale=2.0)).recordings.iloc[1]
    assert (row["source"], row["source_hash"]) == (str(logs[0]), sha256(logs[0]))
    assert json.loads(row["reader"])["scale"] == 2.0
    assert json.loads(row["repairs"]) == {"filled": 1}
    assert json.loads(row["labels"]) == {"log0": 10_000}


def test_files_are_resampled_to_the_asked_rate(logs, out):
    store = ingest(logs[:1], out, reader=Plain(), rate=25.0)
    assert store.sample_rate == 25.0
    assert store.recordings["length"].tolist() == [5_000, 5_000]


def test_nothing_is_left_beside_the_store(logs, out):
    out.mkdir()
    (out / f".{TABLE}.123.part").write_text("from a run that was killed")
    ingest(logs[:2], out, reader=Plain())
    assert sorted(path.name for path in out.iterdir()) == sorted([".lock", TABLE, SIGNAL, LABELS])


def test_files_of_the_store_are_not_read_again(logs, out, has_read):
    ingest(logs[:2], out, reader=Plain())
    ingest(logs[:3], out, reader=Plain())
    assert has_read == ["log0.npy", "log1.npy", "log2.npy"]


def test_file_named_twice_is_read_once(logs, out):
    assert len(ingest([logs[0], logs[0]], out, reader=Plain()).recordings) == 2


def test_adding_files_later_gives_the_same_bytes_as_all_at_once(logs, out, reference):
    for number in range(1, N_FILES + 1):
        ingest(logs[:number], out, reader=Plain())
    assert content(out) == reference[2]


def test_store_open_while_files_are_added_keeps_its_samples(logs, out):
    store = ingest(logs[:1], out, reader=Plain())
    before = store.signal.tobytes()
    ingest(logs, out, reader=Plain())
    assert store.signal.tobytes() == before


def test_changed_file_is_refused(out, tmp_path):
    [file] = write_logs(tmp_path / "own", 1)
    before = seen(ingest([file], out, reader=Plain()))
    np.save(file, np.zeros((10, 3), np.float32))
    with pytest.raises(ValueError, match=r"log0\.npy has changed since .* another folder"):
        ingest([file], out, reader=Plain())
    assert seen(Store.open(out)) == before


def test_file_that_other_settings_read_is_refused(logs, out):
    before = seen(ingest(logs[:1], out, reader=Plain()))
    with pytest.raises(
        ValueError, match=r"settings\. scale: the store has 1\.0, now requested is 2\.0\. "
    ):
        ingest(logs[:2], out, reader=Plain(scale=2.0))
    assert seen(Store.open(out)) == before


def test_a_folder_with_files_of_another_kind_is_refused(logs, out):
    out.mkdir()
    (out / "checkpoint.safetensors").touch()
    with pytest.raises(ValueError, match=r"holds other files, such as checkpoint\.safetensors, "):
        ingest(logs[:1], out, reader=Plain())


def test_other_settings_may_read_other_files(logs, out):
    ingest(logs[:1], out, reader=Plain())
    store = ingest(logs[1:2], out, reader=Plain(scale=2.0))
    assert np.array_equal(store.signal[20_000:], 2 * np.load(logs[1]))


def test_other_rate_than_that_of_the_store_is_refused(logs, out):
    ingest(logs[:1], out, reader=Plain())
    with pytest.raises(ValueError, match="has 50 Hz, not 25 Hz: leave the rate out"):
        ingest(logs[:2], out, reader=Plain(), rate=25.0)
    assert len(ingest(logs[:2], out, reader=Plain(), rate=50.0).recordings) == 4


def test_second_ingest_at_the_same_time_is_refused(logs, out):
    with exclusive_lock(out), pytest.raises(ValueError, match="another process is writing to"):
        ingest(logs[:1], out, reader=Plain())
    assert len(ingest(logs[:1], out, reader=Plain()).recordings) == 2


def test_file_that_holds_no_recording_is_refused_and_the_rest_is_kept(
    logs, out, tmp_path, has_read
):
    empty = tmp_path / "empty.npy"
    np.save(empty, np.zeros((0, 3), np.float32))
    with pytest.raises(ValueError, match=r"empty\.npy holds no recording: leave it out"):
        ingest([*logs[:2], empty], out, reader=Plain())
    with pytest.raises(FileNotFoundError):
        Store.open(out)
    assert len(ingest(logs[:2], out, reader=Plain()).recordings) == 4
    assert has_read == ["log0.npy", "log1.npy", "empty.npy"]


def test_logs_are_read_by_the_options_of_the_default_reader(out, tmp_path):
    (tmp_path / "a.csv").write_text("t,ax,ay,az\n" + "".join(f"{k},9.81,0,0\n" for k in range(9)))
    columns = {"acc_x": "ax", "acc_y": "ay", "acc_z": "az"}
    store = ingest(
        str(tmp_path / "a.csv"), str(out), columns=columns, units={"acc": "m/s2"}, time="t"
    )
    assert store.signal[:, 0] == pytest.approx(9.81 / 9.80665)
    assert store.source == str(out)
    with pytest.raises(TypeError, match="got a reader and time: these are options of the default"):
        ingest(tmp_path, out, reader=Plain(), time="t")
    with pytest.raises(TypeError, match="colums"):
        ingest(tmp_path, out, colums=columns)


def test_no_file_at_all_is_refused(out):
    with pytest.raises(ValueError, match="no file to read in no path given"):
        ingest([], out, reader=Plain())


def test_file_with_other_channels_is_refused_and_the_store_stays(logs, out):
    class OneAxis(Plain):
        def read(self, path):
            yield recording(5, channels=("acc_x",), source=str(path), source_hash=sha256(path))

    before = seen(ingest(logs[:1], out, reader=Plain()))
    with pytest.raises(ValueError, match=rf"log1\.npy has channels acc_x.*{', '.join(CHANNELS)}"):
        ingest(logs[1:2], out, reader=OneAxis())
    assert seen(Store.open(out)) == before


def test_truncated_array_is_noticed_before_anything_is_added(logs, out):
    ingest(logs[:1], out, reader=Plain())
    os.truncate(out / SIGNAL, 1000)
    with pytest.raises(ValueError, match=rf"{SIGNAL} has 1000 bytes, .* damaged"):
        ingest(logs[:2], out, reader=Plain())


# Interruptions. A run that adds four files to a store of two is stopped at every step that touches
# the disk. Afterwards the store shows the old or the new state, and a rerun gives the same bytes
# as a run that was never stopped.


class Stop(BaseException):
    """Stands for the end of the process."""


# The array that each write is given is made right before it, by `ascontiguousarray`.
WRITES = ((Path, "touch"), (np, "ascontiguousarray"), (os, "fsync"), (pq, "write_table"))
STEPS = (*WRITES, (Path, "replace"), (Path, "unlink"))


def at_step(patch, steps, number, action):
    """Call `action` in place of the call of that number to the functions in `steps`."""
    calls = iter(range(1, 1000))

    def counting(function):
        def counted(*arguments, **settings):
            return action() if next(calls) == number else function(*arguments, **settings)

        return counted

    for owner, name in steps:
        patch.setattr(owner, name, counting(getattr(owner, name)))


def check_and_rerun(logs, out, reference):
    """The state after an interruption is old or new; the rerun reads what is missing, once."""
    old, new, whole = reference
    assert seen(Store.open(out)) in (old, new)
    finished = named_in(out / UNFINISHED) or named_in(out / TABLE)
    Plain.has_read.clear()
    ingest(logs, out, reader=Plain())
    assert Plain.has_read == [file.name for file in logs if file.name not in finished]
    assert content(out) == whole


def named_in(table):
    """Names of the files that a table of recordings holds."""
    rows = pq.read_table(table).to_pylist() if table.exists() else []
    return {Path(row["source"]).name for row in rows}


def test_stopped_at_every_step_the_store_is_old_or_new_and_a_rerun_completes(
    logs, reference, tmp_path
):
    def stop():
        raise Stop

    number, stopped = 0, True
    while stopped:
        number += 1
        out = tmp_path / str(number)
        ingest(logs[:N_OLD], out, reader=Plain())
        with pytest.MonkeyPatch.context() as patch:
            at_step(patch, STEPS, number, stop)
            try:
                ingest(logs, out, reader=Plain())
                stopped = False
            except Stop:
                pass
        check_and_rerun(logs, out, reference)
    assert number > 4 * (N_FILES - N_OLD)


def test_full_disk_at_every_step_is_named_and_keeps_the_old_store(logs, reference, tmp_path):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    for number in range(1, 2 + 8 * (N_FILES - N_OLD) + 3, 2):
        out = tmp_path / str(number)
        ingest(logs[:N_OLD], out, reader=Plain())
        with pytest.MonkeyPatch.context() as patch:
            at_step(patch, WRITES, number, full)
            with pytest.raises(OSError, match="no space left while writing"):
                ingest(logs, out, reader=Plain())
        assert seen(Store.open(out)) == reference[0]
        check_and_rerun(logs, out, reference)


def serve(folder, seed, n_trials):
    """Start ingesting again and again; kill each run at a random moment of its life, for good."""
    logs, chance = write_logs(folder / "logs"), random.Random(seed)

    def start(out):
        child = os.fork()
        if child == 0:
            Plain.pause = 0.005
            ingest(logs, out, reader=Plain())
            os._exit(0)
        return child

    begin = time.monotonic()
    os.waitpid(start(folder / "timed"), 0)
    duration = time.monotonic() - begin
    for trial in range(n_trials):
        child = start(folder / f"trial{trial}")
        time.sleep(chance.uniform(0, duration))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_killed_at_random_moments_the_store_is_old_or_new_and_a_rerun_completes(tmp_path):
    n_trials = 10
    subprocess.run(
        [sys.executable, "-m", "tests.test_ingest", str(tmp_path), "1", str(n_trials)],
        cwd=Path(__file__).parents[1],
        check=True,
        timeout=120,
    )
    logs = sorted((tmp_path / "logs").iterdir())
    whole = content(tmp_path / "timed")
    were_whole = []
    for trial in range(n_trials):
        out = tmp_path / f"trial{trial}"
        were_whole.append((out / TABLE).exists())
        if were_whole[-1]:
            assert content(out) == whole
        else:
            with pytest.raises(FileNotFoundError, match="no store in"):
                Store.open(out)
        finished = named_in(out / UNFINISHED) or named_in(out / TABLE)
        Plain.has_read.clear()
        ingest(logs, out, reader=Plain())
        assert Plain.has_read == [file.name for file in logs if file.name not in finished]
        assert content(out) == whole
    assert not all(were_whole)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
