"""Every dataset keeps the contract; the real archives hold what is published; damage is named."""

import http.server
import re
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from tsclr import datasets, specs
from tsclr.datasets import BasicMotions, Dataset, Hapt, MotionSense, Synthetic
from tsclr.datasets.base import checked, parse_numbers
from tsclr.datasets.simulation import ACTIVITIES, Motion, draw_person, measure, move
from tsclr.files import sha256
from tsclr.types import UNLABELLED, Recording

RESTING = {"sitting", "standing", "lying", "laying"}
ALL = list(specs.subclasses(Dataset).values())


@pytest.fixture(scope="session")
def recordings_of(request: pytest.FixtureRequest) -> Callable[[type[Dataset]], list[Recording]]:
    """Reads a whole dataset, once for all tests."""

    @cache
    def read(dataset: type[Dataset]) -> list[Recording]:
        return list(opened(dataset, request).recordings())

    return read


def opened(dataset: type[Dataset], request: pytest.FixtureRequest) -> Dataset:
    """The dataset over the real archives where it has one; skips where they are absent."""
    if dataset is BasicMotions:
        pytest.importorskip("aeon", reason="aeon holds the data: pip install 'tsclr[bench]'")
    return dataset(str(request.getfixturevalue("data_root")) if dataset.url else None)


def bouts(labels: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Runs of one label, those without a label left out."""
    starts = np.flatnonzero(np.diff(labels, prepend=-9))
    for first, stop in zip(starts, [*starts[1:], len(labels)], strict=True):
        if labels[first] != UNLABELLED:
            yield int(labels[first]), slice(int(first), int(stop))


# Contract


@pytest.mark.parametrize("dataset", ALL)
def test_recordings_are_what_the_class_declares(dataset, recordings_of):
    recordings = recordings_of(dataset)
    assert len({recording.name for recording in recordings}) == len(recordings)
    for recording in recordings:
        assert recording.signal.dtype == np.float32
        assert np.isfinite(recording.signal).all()
        assert recording.channels == dataset.channels
        assert recording.sample_rate == dataset.sample_rate
        assert recording.classes == dataset.classes
        assert recording.labels is not None
        assert recording.labels.min() >= UNLABELLED
        assert recording.labels.max() < len(dataset.classes)


@pytest.mark.parametrize("dataset", [each for each in ALL if len(RESTING & set(each.classes)) > 1])
def test_a_resting_log_measures_one_g_and_no_rotation(dataset, recordings_of):
    seen = set()
    for recording in recordings_of(dataset):
        for label, part in bouts(recording.labels):
            if dataset.classes[label] in RESTING and part.stop - part.start > 500:
                seen.add(dataset.classes[label])
                acceleration = np.linalg.norm(recording.signal[part, :3], axis=1)
                assert 0.9 < np.median(acceleration) < 1.1
                assert np.abs(np.median(recording.signal[part, 3:], axis=0)).max() < 0.1
    assert len(seen) >= 2


@pytest.mark.parametrize("dataset", ALL)
def test_test_subjects_are_some_of_the_subjects(dataset, recordings_of, request):
    held_out = set(opened(dataset, request).test_subjects)
    subjects = {recording.subject for recording in recordings_of(dataset)}
    assert held_out < subjects
    assert all(name == name.strip() for name in subjects)


@pytest.mark.parametrize("dataset", ALL)
def test_every_scored_class_occurs_on_both_sides(dataset, recordings_of, request):
    held_out = opened(dataset, request).test_subjects
    for side in (True, False):
        labels = [r.labels for r in recordings_of(dataset) if (r.subject in held_out) == side]
        names = {
            dataset.classes[label] for label in np.unique(np.concatenate(labels)) if label >= 0
        }
        assert names >= set(dataset.scored_classes)


@pytest.mark.parametrize("dataset", ALL)
def test_recordings_come_the_same_again(dataset, recordings_of, request):
    again = islice(opened(dataset, request).recordings(), 2)
    for old, new in zip(recordings_of(dataset), again, strict=False):
        np.testing.assert_array_equal(old.signal, new.signal)
        np.testing.assert_array_equal(old.labels, new.labels)
        assert (old.name, old.source_hash) == (new.name, new.source_hash)


@pytest.mark.parametrize("dataset", ALL)
def test_a_dataset_is_found_by_its_name_and_rebuilt_from_its_spec(dataset):
    assert datasets.find(dataset.name.upper()) is dataset
    spec = specs.spec_of(dataset("somewhere"))
    assert specs.from_spec(Dataset, spec).root == "somewhere"


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(KeyError, match="did you mean motionsense"):
        datasets.find("motionsens")


# Real archives


def test_hapt_has_the_published_counts(recordings_of):
    recordings = recordings_of(Hapt)
    assert len(recordings) == 61
    assert len({recording.subject for recording in recordings}) == 30
    assert sum(len(recording.signal) for recording in recordings) == 1_122_772
    assert sum((recording.labels >= 0).sum() for recording in recordings) == 815_614
    assert (recordings[0].name, recordings[0].subject) == ("exp01_user01", "1")


def test_windows_of_hapt_bouts_are_the_official_ones(recordings_of, data_root):
    labels, subjects = [], []
    for recording in recordings_of(Hapt):
        for label, part in bouts(recording.labels):
            n_windows = len(range(part.start, part.stop - Hapt.window + 1, Hapt.stride))
            labels += [label + 1] * n_windows
            subjects += [recording.subject] * n_windows
    in_test = np.isin(subjects, Hapt.test_subjects)
    with zipfile.ZipFile(data_root / "hapt.zip") as archive:
        for side, chosen, total in (("Train", ~in_test, 7767), ("Test", in_test, 3162)):
            official = {
                what: archive.read(f"{side}/{what}_{side.lower()}.txt").decode().split()
                for what in ("y", "subject_id")
            }
            assert chosen.sum() == total
            assert np.array(labels)[chosen].astype(str).tolist() == official["y"]
            assert np.array(subjects)[chosen].tolist() == official["subject_id"]


def test_motionsense_has_the_published_counts(recordings_of):
    recordings = recordings_of(MotionSense)
    assert len(recordings) == 360
    assert len({recording.subject for recording in recordings}) == 24
    assert sum(len(recording.signal) for recording in recordings) == 1_412_865
    first = next(recording for recording in recordings if recording.name == "wlk_7_sub_1")
    assert MotionSense.classes[first.labels[0]] == "walking"


# Small archives in the official layouts


HAPT_FACTS = {"recordings": 2, "subjects": 2, "rows": 40, "labelled": 22, "bouts": 3}
SMALL_FACTS = {"recordings": 360, "subjects": 24, "rows": 1080}


def table(n_rows: int, seed: int, offset: float = 0.0) -> str:
    values = np.random.default_rng(seed).normal(size=(n_rows, 3)) + offset
    return "\n".join(" ".join(f"{value:.6f}" for value in row) for row in values) + "\n"


@pytest.fixture
def hapt_folder(tmp_path, monkeypatch) -> Path:
    """Two experiments of 20 samples, unpacked."""
    monkeypatch.setattr(Hapt, "facts", HAPT_FACTS)
    monkeypatch.delenv("TSCLR_DATA", raising=False)
    raw = tmp_path / "unpacked" / "RawData"
    raw.mkdir(parents=True)
    (raw / "labels.txt").write_text("1 1 5 2 10\n1 1 12 11 15\n2 30 1 1 8\n")
    for name, seed in (("exp01_user01", 0), ("exp02_user30", 1)):
        (raw / f"acc_{name}.txt").write_text(table(20, seed))
        (raw / f"gyro_{name}.txt").write_text(table(20, seed + 10))
    return raw.parent


@pytest.fixture
def motionsense_folder(tmp_path, monkeypatch) -> Path:
    """All 360 files with three samples each, unpacked."""
    monkeypatch.setattr(MotionSense, "facts", SMALL_FACTS)
    quantities = ("gravity", "rotationRate", "userAcceleration")
    names = [f"{quantity}.{axis}" for quantity in quantities for axis in "xyz"]
    header = ",".join(["", "attitude.roll", "attitude.pitch", "attitude.yaw", *names])
    row = "{},0,0,0,0.25,0.5,-1,1,2,3,0.125,0.25,0.5"
    text = "\n".join([header, *(row.format(i) for i in range(3))]) + "\n"
    folder = tmp_path / "A_DeviceMotion_data"
    trials = "dws_1 dws_2 dws_11 ups_3 ups_4 ups_12 wlk_7 wlk_8 wlk_15 jog_9 jog_16 sit_5 sit_13"
    for trial in f"{trials} std_6 std_14".split():
        (folder / trial).mkdir(parents=True)
        for subject in range(1, 25):
            (folder / trial / f"sub_{subject}.csv").write_text(text)
    return folder


def zipped(folder: Path, archive: Path, prefix: str = "", method: int = zipfile.ZIP_LZMA) -> Path:
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w", method) as out:
        for file in sorted(folder.rglob("*.*")):
            out.write(file, f"{prefix}{file.relative_to(folder)}")
    return archive


def read(root: Path) -> list[Recording]:
    return list(Hapt(str(root)).recordings())


def test_labels_of_hapt_count_from_one_and_include_the_last_sample(hapt_folder):
    first, second = read(hapt_folder)
    expected = [-1] + [4] * 9 + [11] * 5 + [-1] * 5
    assert first.labels.tolist() == expected
    assert second.labels.tolist() == [0] * 8 + [-1] * 12
    assert second.subject == "30"
    acceleration = np.loadtxt(hapt_folder / "RawData" / "acc_exp01_user01.txt")
    np.testing.assert_allclose(first.signal[:, :3], acceleration, rtol=1e-6)


@pytest.mark.parametrize("sensor", ["acc", "gyro"])
def test_hash_of_a_hapt_recording_covers_both_of_its_files(hapt_folder, sensor):
    before = [recording.source_hash for recording in read(hapt_folder)]
    file = hapt_folder / "RawData" / f"{sensor}_exp01_user01.txt"
    file.write_text(file.read_text().replace("-", "", 1))
    first, second = (recording.source_hash for recording in read(hapt_folder))
    assert first != before[0]
    assert second == before[1]


def test_motionsense_adds_gravity_and_user_acceleration(motionsense_folder):
    recordings = list(MotionSense(str(motionsense_folder)).recordings())
    np.testing.assert_array_equal(recordings[0].signal[0], [0.375, 0.75, -0.5, 1, 2, 3])
    assert recordings[0].name == "dws_1_sub_1"
    assert recordings[0].labels.tolist() == [0, 0, 0]
    (motionsense_folder / "sit_5" / "sub_9.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"sit_5.sub_9\.csv.*gravity\.x"):
        list(MotionSense(str(motionsense_folder)).recordings())


def test_an_archive_is_found_wherever_it_lies(hapt_folder, tmp_path, monkeypatch):
    expected = read(hapt_folder)
    official = "smartphone+based+recognition+of+human+activities+and+postural+transitions.zip"
    roots = [
        tmp_path,
        zipped(hapt_folder, tmp_path / "one" / "hapt.zip").parent,
        zipped(hapt_folder, tmp_path / "two" / official, "HAPT Data Set/").parent,
        zipped(hapt_folder, tmp_path / "three" / "other name.zip"),
    ]
    inner = zipped(hapt_folder, tmp_path / "four" / "HAPT Data Set.zip")
    shutil.move(zipped(inner.parent, tmp_path / "five" / "hapt.zip"), inner.parent)
    inner.unlink()
    shutil.copytree(hapt_folder, tmp_path / "six" / "hapt" / "HAPT Data Set")
    for root in [*roots, inner.parent, tmp_path / "six"]:
        found = read(root)
        assert [recording.source_hash for recording in found] == [
            recording.source_hash for recording in expected
        ]
        np.testing.assert_array_equal(found[1].signal, expected[1].signal)
    assert found[0].source.startswith(str(tmp_path / "six"))
    monkeypatch.setenv("TSCLR_DATA", str(tmp_path / "one"))
    assert len(list(Hapt().recordings())) == 2


def test_a_missing_archive_says_where_it_looked_and_what_helps(tmp_path, monkeypatch):
    monkeypatch.setenv("TSCLR_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError) as error:
        list(Hapt().recordings())
    for part in (str(tmp_path / "nowhere"), "hapt.zip", "TSCLR_DATA", "tsclr data fetch hapt"):
        assert part in str(error.value)


def test_without_a_root_the_cache_folder_is_used(monkeypatch):
    monkeypatch.delenv("TSCLR_DATA", raising=False)
    assert Hapt().folder.name == "tsclr"


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "RawData" / name
        text = file.read_text()
        assert re.search(old, text)
        file.write_text(re.sub(old, new, text, count=1))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit("acc_exp01_user01.txt", r" (\S+)\n", r"\n"), r"acc_exp01_user01\.txt: .*3 columns"),
        (edit("gyro_exp02_user30.txt", r"\n", r" 1.0\n"), r"gyro_exp02_user30\.txt.*column"),
        (edit("acc_exp01_user01.txt", r"\d+\.\d+\n", "text\n"), "acc_exp01_user01.*text"),
        (edit("acc_exp01_user01.txt", r"\d+\.\d+\n", "nan\n"), "acc_exp01.*row 0 .*not finite"),
        (edit("acc_exp01_user01.txt", r"(?s).*", ""), "acc_exp01_user01.*[Ee]mpty"),
        (edit("gyro_exp01_user01.txt", r".*\n", ""), "19 rows, expected the 20"),
        (edit("labels.txt", "1 1 5", "1 1 13"), r"labels.txt, exp01_user01: class 13"),
        (edit("labels.txt", "1 8\n", "1 21\n"), "sample 1 to 21; expected .* 1 to 20"),
        (edit("labels.txt", "1 1 5 2 10\n", ""), "13 labelled, expected 22; 2 bouts, expected 3"),
        (edit("labels.txt", "2 30 1 1 8\n", ""), "1 recordings, expected 2; 1 subjects"),
        (lambda folder: (folder / "RawData" / "gyro_exp02_user30.txt").unlink(), "is missing"),
    ],
)
def test_wrong_content_is_named(hapt_folder, change, message):
    change(hapt_folder)
    with pytest.raises(ValueError, match=message):
        read(hapt_folder)


def test_a_missing_member_of_a_zip_is_named(hapt_folder, tmp_path):
    (hapt_folder / "RawData" / "gyro_exp02_user30.txt").unlink()
    archive = zipped(hapt_folder, tmp_path / "zip" / "hapt.zip")
    with pytest.raises(ValueError, match=r"hapt\.zip.*gyro_exp02_user30\.txt is missing"):
        read(archive.parent)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_damaged_zip_is_named(hapt_folder, tmp_path, method):
    archive = zipped(hapt_folder, tmp_path / "zip" / "hapt.zip", method=method)
    whole = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened_archive:
        offset = opened_archive.getinfo("RawData/acc_exp01_user01.txt").header_offset
    for damaged in (
        whole[: len(whole) // 2],
        b"no zip file",
        b"",
        whole[: offset + 100] + bytes([whole[offset + 100] ^ 255]) + whole[offset + 101 :],
    ):
        archive.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"hapt\.zip.* is damaged"):
            read(archive.parent)


def test_a_zip_of_something_else_is_named(motionsense_folder, tmp_path):
    archive = zipped(motionsense_folder, tmp_path / "zip" / "hapt.zip")
    with pytest.raises(ValueError, match=r"hapt\.zip does not contain RawData/labels\.txt"):
        read(archive.parent)


def test_facts_are_compared_after_everything_was_passed_on():
    recording = next(Synthetic(n_subjects=2, minutes=0.5).recordings())
    bare = Recording(
        signal=recording.signal,
        sample_rate=50.0,
        channels=recording.channels,
        subject="2",
        name="without labels",
    )
    counts = checked([recording, bare], {"rows": 3000, "subjects": 2, "recordings": 3}, "demo")
    assert len(list(islice(counts, 2))) == 2
    with pytest.raises(ValueError, match=r"demo: .*2 recordings, expected 3$"):
        next(counts)


@given(arrays(np.float64, (3, 2), elements=st.floats(-1e9, 1e9)))
def test_numbers_survive_as_text(values):
    text = "b,a\n" + "".join(f"{float(b)!r},{float(a)!r}\n" for a, b in values)
    np.testing.assert_array_equal(parse_numbers(text.encode(), "file", ("a", "b")), values)


# Downloads, from a server on this machine


class Server:
    """Serves `content` at any path and counts the requests."""

    def __init__(self) -> None:
        self.content, self.requests, self.tells_length = b"", 0, True
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                self.send_response(200 if server.content else 404)
                if server.tells_length:
                    self.send_header("Content-Length", str(len(server.content)))
                self.end_headers()
                self.wfile.write(server.content)

            def log_message(self, *_: object) -> None: ...

        self.http = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/archive.zip"


@pytest.fixture
def server(monkeypatch, hapt_folder, tmp_path) -> Iterator[Server]:
    server = Server()
    server.content = zipped(hapt_folder, tmp_path / "served" / "hapt.zip").read_bytes()
    monkeypatch.setattr(Hapt, "url", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=server.http.serve_forever)
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture
def downloads(tmp_path) -> Path:
    return tmp_path / "downloads"


def test_the_first_download_fixes_the_hash(server, downloads):
    hapt = Hapt(str(downloads))
    archive = hapt.fetch()
    lock = downloads / "hapt.zip.sha256"
    assert lock.read_text() == f"{sha256(archive)}  hapt.zip\n"
    assert hapt.fetch() == archive
    assert server.requests == 1
    assert len(list(hapt.recordings())) == 2

    whole = archive.read_bytes()
    archive.write_bytes(whole + b"changed")
    with pytest.raises(ValueError, match="differs from what was downloaded"):
        list(hapt.recordings())
    hapt.fetch()
    assert archive.read_bytes() == whole

    archive.unlink()
    server.content += b"changed"
    with pytest.raises(ValueError, match="does not match"):
        hapt.fetch()
    assert sorted(path.name for path in downloads.iterdir()) == ["hapt.zip.sha256"]


def test_a_published_hash_is_checked(server, downloads, monkeypatch):
    server.tells_length = False
    monkeypatch.setattr(Hapt, "sha256", "0" * 64)
    with pytest.raises(ValueError, match="does not match"):
        Hapt(str(downloads)).fetch()
    assert list(downloads.iterdir()) == []


def test_an_archive_that_was_put_there_is_left_alone(server, downloads):
    downloads.mkdir()
    (downloads / "hapt.zip").write_bytes(b"mine")
    assert Hapt(str(downloads)).fetch().read_bytes() == b"mine"
    assert (server.requests, len(list(downloads.iterdir()))) == (0, 1)


def test_a_failed_download_leaves_nothing(server, downloads):
    server.content = b""
    with pytest.raises(OSError, match="404"):
        Hapt(str(downloads)).fetch()
    assert list(downloads.iterdir()) == []


def test_nothing_is_fetched_where_nothing_is_published():
    with pytest.raises(ValueError, match="synthetic has no archive"):
        Synthetic().fetch()


# The simulation


@pytest.fixture(scope="module")
def synthetic() -> Synthetic:
    return Synthetic(n_subjects=4, minutes=5, seed=3)


@pytest.fixture(scope="module")
def motions(synthetic) -> list[Motion]:
    return [synthetic.motion(f"0{number}") for number in (1, 2, 3, 4)]


def parts_of(motions: list[Motion], activity: str) -> Iterator[tuple[Motion, slice]]:
    for motion in motions:
        for label, part in bouts(motion.labels):
            if ACTIVITIES[label] == activity and part.stop - part.start > 400:
                yield motion, part


def in_world(motion: Motion, part: slice) -> Rotation:
    return Rotation.from_quat(motion.orientation[part], scalar_first=True)


@pytest.mark.parametrize("activity", sorted(RESTING & set(ACTIVITIES)))
def test_at_rest_the_force_is_gravity_in_the_axes_of_the_phone(motions, activity):
    parts = list(parts_of(motions, activity))
    assert parts
    for motion, part in parts:
        expected = in_world(motion, part).inv().apply([0, 0, 1])
        np.testing.assert_allclose(motion.force[part], expected, atol=1e-12)


@pytest.mark.parametrize("activity", ["walking", "running", "sitting"])
def test_the_gyroscope_adds_up_to_the_turn(activity):
    generator = np.random.default_rng(5)
    person = draw_person(generator)._replace(bias=np.zeros(6))
    motion = move(person, generator, 9000, 50.0)
    signal = measure(motion, person, generator, 50.0)
    parts = [part for label, part in bouts(motion.labels) if ACTIVITIES[label] == activity]
    assert parts
    for part in parts:
        start, stop = part.start, min(part.stop, part.start + 200)
        orientation = Rotation.from_quat(motion.orientation[start], scalar_first=True)
        for rate in signal[start:stop, 3:]:
            orientation = orientation * Rotation.from_rotvec(rate / 50.0)
        end = Rotation.from_quat(motion.orientation[stop], scalar_first=True)
        # White noise of 0.006 rad/s on 200 samples: a random walk of 0.0017 rad per axis.
        assert (orientation.inv() * end).magnitude() < 0.01


def test_the_vertical_acceleration_peaks_at_the_cadence(motions):
    errors = []
    for motion, part in parts_of(motions, "walking"):
        vertical = in_world(motion, part).apply(motion.force[part])[:, 2] - 1
        power = np.abs(np.fft.rfft(vertical * np.hanning(len(vertical)), 8192)) ** 2
        frequencies = np.fft.rfftfreq(8192, 1 / 50)
        errors.append(frequencies[power.argmax()] - motion.cadence[part].mean())
    assert len(errors) >= 3
    assert np.abs(errors).max() < 0.15


def test_transitions_are_smooth_and_unlabelled(motions):
    motion = motions[1]
    orientation = in_world(motion, slice(None))
    steps = (orientation[:-1].inv() * orientation[1:]).magnitude()
    between = motion.labels == UNLABELLED
    assert 0.05 < between.mean() < 0.3
    assert steps[between].max() * 50 < 12  # rad/s
    assert set(motion.labels) == {UNLABELLED, *range(len(ACTIVITIES))}


def test_a_seed_repeats_and_another_differs():
    def first_bytes(**arguments) -> bytes:
        return next(Synthetic(minutes=1, **arguments).recordings()).signal.tobytes()

    assert first_bytes(seed=3) == first_bytes(seed=3)
    assert first_bytes(seed=3) != first_bytes(seed=4)
    assert first_bytes(seed=3) == first_bytes(seed=3, n_subjects=40)


def test_the_truth_belongs_to_the_recording(synthetic, motions):
    recording, motion = next(synthetic.recordings()), motions[0]
    np.testing.assert_array_equal(recording.labels, motion.labels)
    error = recording.signal[:, :3] - motion.force
    assert np.abs(np.median(error, axis=0)).max() < 0.05  # the bias has a deviation of 0.01 g
    assert (error - error.mean(axis=0)).std() < 0.006


def test_sensors_count_in_16_bits_and_saturate():
    generator = np.random.default_rng(0)
    person = draw_person(generator)
    motion = move(person, generator, 500, 50.0)
    hit = measure(motion._replace(force=motion.force + 100), person, generator, 50.0)
    np.testing.assert_allclose(hit[:, :3], 8 - 8 / 2**15)
    counts = measure(motion, person, generator, 50.0)[:, 3:] / (np.deg2rad(2000) / 2**15)
    np.testing.assert_allclose(counts, counts.round(), atol=1e-2)


def test_people_and_held_out_subjects():
    assert Synthetic(n_subjects=12).test_subjects == ("10", "11", "12")
    assert Synthetic(n_subjects=2).test_subjects == ("02",)
    with pytest.raises(ValueError, match="at least 2 subjects"):
        Synthetic(n_subjects=1)
    with pytest.raises(ValueError, match="minutes=0"):
        Synthetic(minutes=0)
    with pytest.raises(ValueError, match="expected 01 to 12"):
        Synthetic().motion("13")


def test_logs_read_back_are_the_recordings(tmp_path):
    synthetic = Synthetic(n_subjects=3, minutes=1, seed=1)
    paths = synthetic.write_logs(tmp_path / "logs")
    names = ["subject01_phone.csv", "subject02_phone.csv", "subject03_phone.csv"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == names
    for index, (path, recording) in enumerate(zip(paths, synthetic.recordings(), strict=True)):
        log = pd.read_csv(path, keep_default_na=False)
        assert list(log) == ["time", "ax", "ay", "az", "gx", "gy", "gz", "activity"]
        assert log["time"].is_monotonic_increasing
        assert log["time"].duplicated().any()
        unique = log.drop_duplicates("time")
        since = (unique["time"] - recording.start_time // 10**6) / 20
        rows = since.round().astype(int).to_numpy()
        assert (len(rows) == 3000) == (index != 2)
        assert np.diff(rows).max() == 1 if index != 2 else np.diff(rows).max() > 100
        assert 0.02 < (since - rows).std() < 0.08
        acceleration = unique[["ax", "ay", "az"]].to_numpy() / 9.80665
        rotation = np.deg2rad(unique[["gx", "gy", "gz"]].to_numpy())
        np.testing.assert_allclose(acceleration, recording.signal[rows, :3], atol=1e-5)
        np.testing.assert_allclose(rotation, recording.signal[rows, 3:], atol=1e-5)
        labels = [ACTIVITIES.index(name) if name else -1 for name in unique["activity"]]
        np.testing.assert_array_equal(labels, recording.labels[rows])


def test_another_archive_has_another_stamp(tmp_path: Path) -> None:
    dataset = datasets.find("hapt")(str(tmp_path))
    assert dataset.stamp == []
    (tmp_path / "hapt.zip").write_bytes(b"one")
    first = dataset.stamp
    assert datasets.find("hapt")(str(tmp_path / "hapt.zip")).stamp == first
    (tmp_path / "hapt.zip").write_bytes(b"three")
    assert dataset.stamp != first
