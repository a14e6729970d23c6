import io

import numpy as np
import pytest

from tsclr.bench.windows_audit import audit_windows, load_windows
from tsclr.windows import Windows

# What somebody else divided


def cut(stream, length=128, stride=64):
    """Windows (N, C, T) of a stream (C, T)."""
    starts = range(0, stream.shape[1] - length + 1, stride)
    return np.stack([stream[:, start : start + length] for start in starts]).astype(np.float32)


def noise(seed=0, n_channels=6, length=64 * 41):
    return np.random.default_rng(seed).normal(size=(n_channels, length))


def people(make, n=6):
    """Windows of `n` people, and who they are of."""
    parts = [cut(make(person)) for person in range(n)]
    return np.concatenate(parts), np.repeat(np.arange(n), [len(part) for part in parts])


def by_subject(subjects):
    return np.where(subjects % 3 == 0, "test", "train")


def found(*arrays):
    return {finding.kind: finding for finding in audit_windows(*arrays)}


@pytest.mark.parametrize(("stride", "quantum"), [(64, 0), (96, 0), (32, 0.25), (1, 0), (32, 3.5)])
def test_random_split_of_overlapping_windows_is_found(stride, quantum):
    stream = noise(length=3000)
    windows = cut(np.round(stream / quantum) * quantum if quantum else stream, stride=stride)
    tested = np.random.default_rng(1).random(len(windows)) < 0.3
    split = np.where(tested, "test", "train")
    near = np.ceil(128 / stride).astype(int)
    reached = [tested[i] and not tested[max(0, i - near + 1) : i + near].all()
               for i in range(len(tested))]  # fmt: skip
    finding = found(windows, np.arange(len(windows)), split)["overlap"]
    assert f"{sum(reached)} of {tested.sum()} test windows share samples with train" in str(finding)
    assert not finding.suspicion


def test_example_of_an_overlap_is_one():
    windows = cut(noise(), stride=96)
    split = np.where(np.arange(len(windows)) < 9, "test", "train")
    finding = found(windows, np.zeros(len(windows), int), split)["overlap"]
    assert "test window 8 from sample 96 and window 9 from sample 0, 32 samples" in finding.detail
    assert np.array_equal(windows[8, :, 96:], windows[9, :, :32])


def test_validation_that_overlaps_the_test_is_named():
    windows = cut(noise())
    split = np.repeat(["train", "validation", "test"], [15, 15, 10])
    subjects = np.repeat(["a", "b", "c"], [15, 15, 10])
    assert "share samples with validation, for" in found(windows, subjects, split)["overlap"].detail


def test_more_windows_than_are_kept_in_memory_are_drawn_alike(monkeypatch):
    monkeypatch.setattr("tsclr.bench.windows_audit.MAX_RUNS", 200)
    monkeypatch.setattr("tsclr.bench.windows_audit.CHUNK", 20_000)
    windows = cut(noise(length=64 * 201))
    split = np.where(np.arange(200) % 2, "test", "train")
    finding = found(windows, np.zeros(200, int), split)["overlap"]
    # One run in 121 is kept: of the 2 × 57 that a window shares, none with probability e⁻⁰·⁹⁴.
    assert 45 < int(finding.detail.split()[0]) < 80


def test_mapped_windows_are_audited(tmp_path):
    windows = cut(noise())
    np.save(tmp_path / "w.npy", windows)
    np.save(tmp_path / "s.npy", np.arange(len(windows)))
    np.save(tmp_path / "p.npy", np.where(np.arange(len(windows)) % 2, "test", "train"))
    arrays = load_windows(*(tmp_path / f"{name}.npy" for name in "wsp"))
    assert isinstance(arrays[0], np.memmap)
    assert set(found(*arrays)) == {"overlap"}


@pytest.mark.parametrize("kind", ["noise", "rest", "coarse", "tone", "pulses", "beep", "padded"])
def test_clean_split_is_not_accused(kind):
    steps = np.arange(64 * 41)

    def make(person):
        generator = np.random.default_rng(person)
        values = generator.normal(size=(6, len(steps)))
        pulses = (generator.random((6, len(steps))) < 0.01) * 1.0
        return {
            "noise": values,
            "rest": np.zeros((6, len(steps))),
            # A resting sensor that flickers between few values.
            "coarse": np.round(0.4 * values),
            # The same hum in everybody's recording, of a period that fits into the stride or not.
            "tone": np.round(8 * np.sin(2 * np.pi * (steps + person) / (16, 50)[person % 2]))
            * np.ones((6, 1)),
            "pulses": pulses,
            # A beep of the device that is never twice in a window.
            "beep": np.pad(noise(length=60), ((0, 0), (0, 100)))[:, (steps + 7 * person) % 160],
            "padded": values * (steps % 64 < 32),
        }[kind]

    windows, subjects = people(make)
    assert found(windows, subjects, by_subject(subjects)) == {}


def test_windows_of_rest_between_others_are_not_accused():
    windows, subjects = people(noise)
    windows[::3] = windows[0, :, :1]
    assert found(windows, subjects, by_subject(subjects)) == {}


def test_real_recordings_are_accused_of_a_random_split_only(hapt_store):
    windows = Windows.sliding(hapt_store, length=128, stride=64)
    arrays = windows.__getitems__(np.arange(len(windows))).numpy(), windows.subjects
    tested = np.isin(windows.subjects, ["2", "4", "9", "10", "12", "13", "18", "20", "24"])
    assert found(*arrays, np.where(tested, "test", "train")) == {}
    shuffled = np.random.default_rng(0).permutation(tested)
    overlap = found(*arrays, np.where(shuffled, "test", "train"))["overlap"]
    # Each has two neighbours, and both are tested at the square of the share of the test.
    share = shuffled.mean()
    assert abs(int(overlap.detail.split()[0]) / shuffled.sum() - (1 - share**2)) < 0.02


def test_shared_subjects_are_named():
    windows, subjects = people(noise)
    split = by_subject(subjects)
    split[np.flatnonzero(subjects == 3)[-1]] = "train"
    detail = found(windows, subjects, split)["subject"].detail
    assert detail == "1 of 2 test subjects are in train: 3"


def test_duplicates_are_counted_and_named():
    windows, subjects = people(noise)
    split = by_subject(subjects)
    test, train = np.flatnonzero(split == "test"), np.flatnonzero(split == "train")
    windows[test[4]], windows[test[7]] = windows[train[2]], windows[train[9]]
    detail = found(windows, subjects, split)["duplicate"].detail
    assert detail.startswith("2 of 80 test windows are also in train")


def test_duplicate_among_overlapping_windows_is_found():
    windows = cut(noise(length=2000), stride=8)
    windows = np.concatenate([windows, windows[50:51]])
    split = np.full(len(windows), "train")
    split[[50, 90]] = "test"
    kinds = found(windows, np.arange(len(windows)), split)
    detail = "1 of 2 test windows are also in train, for example test window 50 as window "
    assert kinds["duplicate"].detail == f"{detail}{len(windows) - 1}"
    assert kinds["overlap"].detail.startswith("2 of 2 test windows")


def test_zero_is_zero_whatever_its_sign():
    windows, subjects = people(noise)
    windows[:, :, ::5] = 0.0
    split = by_subject(subjects)
    test, train = np.flatnonzero(split == "test")[0], np.flatnonzero(split == "train")[0]
    windows[test] = np.where(windows[train] == 0, -0.0, windows[train])
    assert set(found(windows, subjects, split)) == {"duplicate"}


def test_normalisation_on_everything_is_suspected_with_its_figures():
    windows, subjects = people(lambda person: noise(person) * (1 + person) + person)
    split = by_subject(subjects)
    trained = windows[split != "test"]

    def normalised(by):
        return (windows - by.mean((0, 2))[:, None]) / by.std((0, 2))[:, None]

    finding = found(normalised(windows), subjects, split)["normalisation"]
    assert finding.suspicion
    mean = normalised(windows)[split != "test"].mean((0, 2))
    assert f"mean ({mean[0]:.3f}, {mean[1]:.3f}" in finding.detail
    assert str(finding).startswith("normalisation (suspicion): ")
    for honest in (normalised(trained), windows):
        assert found(honest, subjects, split) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w, s, p: (w.transpose(0, 2, 1), s, p), r"pass windows.transpose\(0, 2, 1\)"),
        (lambda w, s, p: (w[0], s, p), r"shape \(6, 128\), expected \(N, C, T\)"),
        (lambda w, s, p: (w[:0], s[:0], p[:0]), "with one or more windows"),
        (lambda w, s, p: (w.astype(int), s, p), "windows are int64, allowed are float16, float32"),
        (lambda w, s, p: (w[:, :, :8], s, p), "too short to tell overlap from chance"),
        (lambda w, s, p: (w, s[:-1], p), r"subjects have shape \(239,\), expected \(240,\)"),
        (lambda w, s, p: (w, s, p[:, None]), r"split have shape \(240, 1\), expected \(240,\)"),
        (lambda w, s, p: (w, s + 0.5, p), "subjects are float64, allowed are whole numbers"),
        (lambda w, s, p: (w, s, s), "split are int64, allowed are words"),
        (lambda w, s, p: (w, s, p.astype("S")), r"split are \|S5, .*: use .astype\(str\)"),
        (lambda w, s, p: (w, s.astype(object), p), "subjects are object, allowed are whole"),
        (lambda w, s, p: (w, s, np.char.upper(p)), "split holds 'TEST', 'TRAIN'"),
        (lambda w, s, p: (w, s, np.full(len(p), "train")), "split holds 'train': it must have"),
        (lambda w, s, p: (np.where(w == w[7, 2, 100], np.nan, w), s, p), "window 7 holds NaN"),
        (
            lambda w, s, p: (np.where(w == w[9, 0, 99], np.inf, w), s, p),
            "window 9 holds NaN or inf",
        ),
    ],
)
def test_arrays_of_another_kind_are_refused(change, message):
    windows, subjects = people(noise)
    with pytest.raises(ValueError, match=message):
        audit_windows(*change(windows, subjects, by_subject(subjects)))


@pytest.mark.parametrize("dtype", ["f2", ">f4", "<f8"])
def test_every_kind_of_float_is_compared(dtype):
    windows = cut(noise()).astype(dtype)
    split = np.where(np.arange(len(windows)) % 2, "test", "train")
    assert set(found(windows, np.zeros(len(windows), int), split)) >= {"subject", "overlap"}


def saved(array, **settings):
    """Bytes of a ``.npy`` file."""
    with io.BytesIO() as handle:
        np.save(handle, array, **settings)
        return handle.getvalue()


def archived(array):
    with io.BytesIO() as handle:
        np.savez(handle, array)
        return handle.getvalue()


WHOLE = saved(np.arange(1000.0))
DAMAGED = {
    "cut": WHOLE[:-100],
    "only a header": WHOLE[:60],
    "empty": b"",
    "text": b"1,2,3",
    "huge": WHOLE.replace(b"(1000,), }" + b" " * 20, b"(" + b"9" * 20 + b",), }" + b" " * 4),
    "negative": WHOLE.replace(b"(1000,)", b"(-100,)"),
    "code": WHOLE.replace(b"(1000,), }", b"exit(1), }"),
    "objects": saved(np.array([{}, 1], object), allow_pickle=True),
    "pickle": np.array([{}], object).dumps(),
    "archive": archived(np.arange(3)),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_hostile_file_is_named(tmp_path, how):
    good, bad = tmp_path / "good.npy", tmp_path / "bad.npy"
    np.save(good, np.arange(3))
    bad.write_bytes(DAMAGED[how])
    with pytest.raises(ValueError, match=r"bad\.npy"):
        load_windows(good, good, bad)


def test_every_damage_is_one():
    assert WHOLE not in DAMAGED.values()


def test_absent_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*gone\.npy: write it with numpy"):
        load_windows(*[tmp_path / "gone.npy"] * 3)
