import io
from collections import Counter

import numpy as np
import pytest

from tsclr.audit.copies import SURE_BITS
from tsclr.audit.windows import audit_windows, load_windows, visible_overlap
from tsclr.cli import main
from tsclr.data.windows import Windows


def cut(stream, length=128, stride=64):
    """Windows (N, C, T) of a stream (C, T)."""
    starts = range(0, stream.shape[1] - length + 1, stride)
    return np.stack([stream[:, start : start + length] for start in starts]).astype(np.float32)


def noise(seed=0, n_channels=6, length=64 * 41):
    return np.random.default_rng(seed).normal(size=(n_channels, length))


def windows_by_subject(stream_of, n_subjects=6):
    """Windows of the streams of some subjects, and the subject of each window."""
    windows = [cut(stream_of(subject)) for subject in range(n_subjects)]
    counts = [len(of_subject) for of_subject in windows]
    return np.concatenate(windows), np.repeat(np.arange(n_subjects), counts)


def by_subject(subjects):
    return np.where(subjects % 3 == 0, "test", "train")


def findings_of(*arrays):
    return {finding.kind: finding for finding in audit_windows(*arrays)}


def n_overlapping(tested, length, stride):
    """How many test windows overlap a window that is not tested."""
    near = -(-length // stride)
    return sum(
        tested[i] and not tested[max(0, i - near + 1) : i + near].all() for i in range(len(tested))
    )


@pytest.mark.parametrize(
    ("n_channels", "length", "stride", "quantum"),
    [
        (6, 128, 64, 0),
        (6, 128, 96, 0),
        (6, 128, 32, 0.25),
        (6, 128, 1, 0),
        (6, 128, 32, 3.5),
        (1, 64, 32, 0),
        (1, 128, 96, 0),
        (3, 50, 38, 0),
        (3, 128, 115, 0),
        (113, 24, 12, 0),
    ],
)
def test_random_split_of_overlapping_windows_is_found(n_channels, length, stride, quantum):
    stream = noise(n_channels=n_channels, length=3000)
    stream = np.round(stream / quantum) * quantum if quantum else stream
    windows = cut(np.cumsum(stream, 1) if n_channels > length else stream, length, stride)
    tested = np.random.default_rng(1).random(len(windows)) < 0.3
    finding = findings_of(windows, np.arange(len(windows)), np.where(tested, "test", "train"))[
        "overlap"
    ]
    assert (
        f"{n_overlapping(tested, length, stride)} of {tested.sum()} test windows share samples"
        in (finding.detail)
    )
    assert not finding.suspicion


@pytest.mark.parametrize("copied", [np.tile, np.repeat])
@pytest.mark.parametrize("copies", [1, 2, 3])
def test_dense_windows_that_are_there_twice_are_found(copied, copies):
    windows = copied(np.arange(1000), copies)
    split = np.where(windows < 800, "train", "test")
    arrays = cut(noise(length=1127), stride=1)[windows], windows, split
    n_found = int(findings_of(*arrays)["overlap"].detail.split()[0])
    # Of 127 that reach back, those with fewer than 8 samples in common are not compared.
    assert n_found % copies == 0
    assert 115 <= n_found / copies <= 120


def n_beyond_chance(windows, tested):
    """Slow reference: how many test windows share a stretch that is too rare for chance."""
    half = windows.shape[1] // 2
    found = set()
    for channels in (windows, windows[:, :half], windows[:, half:]):
        found |= found_beyond_chance(windows, channels, tested)
    return len(found)


def found_beyond_chance(whole, windows, tested):
    """The test windows that some channels show to share a stretch with another window."""
    N, n_channels, T = windows.shape
    changes = [[tuple(change) for change in np.diff(window).T] for window in windows]
    counts = Counter(change for of_window in changes for change in of_window)
    bits = {change: np.log2((N * (T - 1) + 1) / (n + 1)) for change, n in counts.items()}
    bits[(0,) * n_channels] = 0
    required = np.log2(N**2 * T) + SURE_BITS

    def shares(i, j, shift):
        first, last = max(0, -shift), T - max(0, shift)
        if (whole[i] == whole[j]).all() and not shift:
            return False
        equal = [(windows[i][:, t] == windows[j][:, t + shift]).all() for t in range(first, last)]
        has_a_run = any(all(equal[t : t + 8]) for t in range(len(equal) - 7))
        evidence = sum(
            bits[change]
            for change, *ends in zip(changes[i][first:], equal[:-1], equal[1:], strict=False)
            if all(ends)
        )
        return has_a_run and evidence - equal.count(False) * np.log2(T) >= required

    shifts = range(8 - T, T - 7)
    others = np.flatnonzero(~tested)
    return {
        i for i in np.flatnonzero(tested) if any(shares(i, j, d) for j in others for d in shifts)
    }


@pytest.mark.parametrize(
    ("overlap", "n_windows"),
    [(22, 40), *(pytest.param(n, 80, marks=pytest.mark.slow) for n in (16, 22, 28))],
)
def test_evidence_is_that_of_a_slow_reference(overlap, n_windows):
    generator = np.random.default_rng(overlap)
    steps = generator.integers(-2, 3, (2, 2000)) * (generator.random((1, 2000)) < 0.7)
    windows = cut(np.cumsum(steps, 1), length=32, stride=32 - overlap)[:n_windows]
    windows[::7, 0, 3] += 5
    tested = generator.random(n_windows) < 0.3
    findings = findings_of(windows, np.arange(n_windows), np.where(tested, "test", "train"))
    expected = n_beyond_chance(windows, tested)
    detail = findings["overlap"].detail.removeprefix("at least ") if expected else "0"
    assert ("overlap" in findings) == (expected > 0)
    assert int(detail.split()[0]) == expected


def of_eight_steps(n_windows, length, stride):
    """Windows of one channel whose steps all have 3 bits."""
    stream = np.random.default_rng(0).integers(1, 9, n_windows * length).cumsum()[None]
    return cut(stream, length, stride)[:n_windows].astype(float)


def test_visible_overlap_is_that_of_equally_likely_steps():
    windows = of_eight_steps(500, 128, 64)
    steps = np.ceil((np.log2(500**2 * 128) + SURE_BITS) / 3)
    assert visible_overlap(windows) == steps + 1


@pytest.mark.parametrize("missing", [0, 1])
def test_overlap_is_seen_from_the_visible_length_on(missing):
    visible = visible_overlap(of_eight_steps(500, 128, 64))
    windows = of_eight_steps(500, 128, 128 - visible + missing)
    split = np.where(np.arange(500) % 2, "test", "train")
    assert ("overlap" in findings_of(windows, np.arange(500), split)) == (not missing)


@pytest.mark.parametrize(
    ("change", "visible"), [(lambda w: w, 8), (lambda w: w[:, :, :1] + 0 * w, 129)]
)
def test_visible_overlap_is_of_a_run_or_more(change, visible):
    assert visible_overlap(change(cut(noise()))) == visible


def test_visible_overlap_of_no_windows_is_refused():
    with pytest.raises(ValueError, match="expected \\(N, C, T\\)"):
        visible_overlap(np.zeros((2, 128)))


def test_example_of_an_overlap_is_one():
    windows = cut(noise(), stride=96)
    split = np.where(np.arange(len(windows)) < 9, "test", "train")
    finding = findings_of(windows, np.zeros(len(windows), int), split)["overlap"]
    assert "test window 8 from sample 96 and window 9 from sample 0, 32 samples" in finding.detail
    assert np.array_equal(windows[8, :, 96:], windows[9, :, :32])


def test_validation_that_overlaps_the_test_is_named():
    windows = cut(noise())
    split = np.repeat(["train", "validation", "test"], [15, 15, 10])
    subjects = np.repeat(["a", "b", "c"], [15, 15, 10])
    assert (
        "share samples with validation, for"
        in findings_of(windows, subjects, split)["overlap"].detail
    )


def test_more_windows_than_are_kept_in_memory_are_drawn_alike(monkeypatch):
    monkeypatch.setattr("tsclr.audit.copies.MAX_RUNS", 200)
    monkeypatch.setattr("tsclr.audit.copies.CHUNK", 20_000)
    windows = cut(noise(length=64 * 201))
    split = np.where(np.arange(200) % 2, "test", "train")
    finding = findings_of(windows, np.zeros(200, int), split)["overlap"]
    # One run in 121 is kept, of all channels and of each half: of the 3 × 2 × 57 that a window
    # shares, none with probability e⁻²·⁸. All channels alone would find 61 of 100.
    assert finding.detail.startswith("at least ")
    assert 85 < int(finding.detail.split()[2]) < 100


def test_count_is_a_bound_where_pairs_were_left_out(monkeypatch):
    stream = noise(length=1000)
    windows = cut(stream, stride=110)
    windows[5, :, 8:] = windows[2, :, :-8]  # speaks louder for window 2 than its neighbours do,
    windows[5, :, :69] += 1  # and is less than half equal
    split = np.where(np.isin(np.arange(len(windows)), [2, 7]), "test", "train")
    arrays = windows, np.arange(len(windows)), split
    assert findings_of(*arrays)["overlap"].detail.startswith("2 of 2 test windows")
    monkeypatch.setattr("tsclr.audit.copies.N_PAIRS", 1)
    assert findings_of(*arrays)["overlap"].detail.startswith("at least 1 of 2 test windows")


def test_count_is_a_bound_where_copies_stand_before_the_neighbours():
    windows = np.repeat(cut(noise()), 3, axis=0)
    split = np.full(len(windows), "train")
    split[[31, 60]] = "test"
    findings = findings_of(windows, np.arange(len(windows)), split)
    assert findings["duplicate"].detail.startswith("2 of 2")
    assert findings["overlap"].detail.startswith("at least 1 of 2")


def test_mapped_windows_are_audited(tmp_path):
    windows = cut(noise())
    np.save(tmp_path / "w.npy", windows)
    np.save(tmp_path / "s.npy", np.arange(len(windows)))
    np.save(tmp_path / "p.npy", np.where(np.arange(len(windows)) % 2, "test", "train"))
    arrays = load_windows(*(tmp_path / f"{name}.npy" for name in "wsp"))
    assert isinstance(arrays[0], np.memmap)
    assert set(findings_of(*arrays)) == {"overlap"}


def beeps(generator):
    """The same 60 samples 20 times, before rests of 70 to 100."""
    rests = [np.full((6, generator.integers(70, 100)), generator.normal()) for _ in range(20)]
    return np.concatenate([part for rest in rests for part in (noise(length=60), rest)], axis=1)


@pytest.mark.parametrize("kind", ["noise", "rest", "coarse", "tone", "pulses", "beep", "padded"])
def test_clean_split_is_not_accused(kind):
    steps = np.arange(64 * 41)

    def stream_of(subject):
        generator = np.random.default_rng(subject)
        values = generator.normal(size=(6, len(steps)))
        pulses = (generator.random((6, len(steps))) < 0.01) * 1.0
        return {
            "noise": values,
            "rest": np.zeros((6, len(steps))),
            # A resting sensor that flickers between few values.
            "coarse": np.round(0.4 * values),
            # The same hum in everybody's recording, of a period that fits into the stride or not.
            "tone": np.round(8 * np.sin(2 * np.pi * (steps + subject) / (16, 50)[subject % 2]))
            * np.ones((6, 1)),
            "pulses": pulses,
            # A beep of the device that is never twice in a window, and rest at some level.
            "beep": beeps(generator)[:, : len(steps)],
            "padded": values * (steps % 64 < 32),
        }[kind]

    windows, subjects = windows_by_subject(stream_of)
    assert findings_of(windows, subjects, by_subject(subjects)) == {}


def test_windows_of_rest_between_others_are_not_accused():
    windows, subjects = windows_by_subject(noise)
    windows[::3] = windows[0, :, :1]
    assert findings_of(windows, subjects, by_subject(subjects)) == {}


@pytest.fixture(scope="module")
def hapt_windows(hapt_store):
    """Windows of HAPT, whose they are, and which are tested officially."""
    windows = Windows.sliding(hapt_store, length=128, stride=64)
    tested = np.isin(windows.subjects, ["2", "4", "9", "10", "12", "13", "18", "20", "24"])
    return windows.take(np.arange(len(windows))).numpy(), windows.subjects, tested


def test_real_recordings_are_accused_of_a_random_split(hapt_windows):
    windows, subjects, tested = hapt_windows
    shuffled = np.random.default_rng(0).permutation(tested)
    overlap = findings_of(windows, subjects, np.where(shuffled, "test", "train"))["overlap"]
    # Each has two neighbours, and both are tested at the square of the share of the test.
    share = shuffled.mean()
    assert abs(int(overlap.detail.split()[0]) / shuffled.sum() - (1 - share**2)) < 0.02


def padded(windows):
    return windows * (np.arange(windows.shape[2]) < 80)


@pytest.mark.parametrize("change", [lambda w: w, lambda w: w[:, :3], lambda w: w[:, :1], padded])
@pytest.mark.parametrize("levels", [0, 4])
def test_real_recordings_of_other_people_are_not_accused(hapt_windows, change, levels):
    windows, subjects, tested = hapt_windows
    windows = change(np.round(windows * levels) / levels if levels else windows)
    assert (
        findings_of(windows.astype(np.float32), subjects, np.where(tested, "test", "train")) == {}
    )


def test_shared_subjects_are_named():
    windows, subjects = windows_by_subject(noise)
    split = by_subject(subjects)
    split[np.flatnonzero(subjects == 3)[-1]] = "train"
    detail = findings_of(windows, subjects, split)["subject"].detail
    assert detail == "1 of 2 test subjects are in train: 3"


def test_duplicates_are_counted_and_named():
    windows, subjects = windows_by_subject(noise)
    split = by_subject(subjects)
    test, train = np.flatnonzero(split == "test"), np.flatnonzero(split == "train")
    windows[test[4]], windows[test[7]] = windows[train[2]], windows[train[9]]
    detail = findings_of(windows, subjects, split)["duplicate"].detail
    assert detail.startswith("2 of 80 test windows are also in train")


def test_duplicate_among_overlapping_windows_is_found():
    windows = cut(noise(length=2000), stride=8)
    windows = np.concatenate([windows, windows[50:51]])
    split = np.full(len(windows), "train")
    split[[50, 90]] = "test"
    kinds = findings_of(windows, np.arange(len(windows)), split)
    detail = "1 of 2 test windows are also in train, for example test window 50 as window "
    assert kinds["duplicate"].detail == f"{detail}{len(windows) - 1}"
    assert kinds["overlap"].detail.startswith("2 of 2 test windows")


@pytest.mark.parametrize("n_channels", [1, 6])
@pytest.mark.parametrize("n_altered", [1, 5])
def test_copies_with_altered_samples_are_found(n_channels, n_altered):
    windows, subjects = windows_by_subject(lambda subject: noise(subject, n_channels))
    split = by_subject(subjects)
    test, train = (np.flatnonzero(split == side)[5::20] for side in ("test", "train"))
    windows[test] = windows[train[: len(test)]]
    samples = np.random.default_rng(0).permutation(128)[:n_altered]
    windows[test[:, None], 0, samples] += 0.01
    findings = findings_of(windows, subjects, split)
    assert set(findings) == {"overlap"}
    assert findings["overlap"].detail.startswith(f"{len(test)} of 80 test windows share samples")


def test_overlaps_with_an_altered_sample_are_found():
    windows = cut(noise())
    split = np.where(np.arange(len(windows)) < 30, "train", "test")
    windows[30, 2, 20] = 0
    subjects = np.arange(len(windows)) // 30
    detail = findings_of(windows, subjects, split)["overlap"].detail
    assert detail.startswith("1 of 10 test windows share samples with train, for example test win")


@pytest.mark.parametrize(
    ("blanked", "where"), [([0], "3 to 5"), ([4], "0 to 2"), ([3, 4, 5], "0 to 2")]
)
def test_copies_with_blanked_channels_are_found(blanked, where):
    windows, subjects = windows_by_subject(noise)
    split = by_subject(subjects)
    test, train = (np.flatnonzero(split == side)[5] for side in ("test", "train"))
    windows[test] = windows[train]
    windows[test, blanked] = 0
    (finding,) = audit_windows(windows, subjects, split)
    assert finding.detail == (
        f"1 of 80 test windows share samples with train, for example test window {test} from "
        f"sample 0 and window {train} from sample 0, 128 samples of channels {where}"
    )


def test_noise_and_turned_axes_are_not_found():
    """The docs say so: what is equal no longer is."""
    windows, subjects = windows_by_subject(noise)
    split = by_subject(subjects)
    test, train = (np.flatnonzero(split == side)[:80] for side in ("test", "train"))
    quarter = windows[train][:, [1, 0, 2, 4, 3, 5]] * np.array([1, -1, 1, 1, -1, 1])[:, None]
    noisy = windows[train] + 1e-3 * noise(9, 6, 128)[None]
    for copies in (quarter, noisy, 1.01 * windows[train]):
        windows[test] = copies
        assert findings_of(windows, subjects, split) == {}


def test_zero_is_zero_whatever_its_sign():
    windows, subjects = windows_by_subject(noise)
    windows[:, :, ::5] = 0.0
    split = by_subject(subjects)
    test, train = np.flatnonzero(split == "test")[0], np.flatnonzero(split == "train")[0]
    windows[test] = np.where(windows[train] == 0, -0.0, windows[train])
    assert set(findings_of(windows, subjects, split)) == {"duplicate"}


def test_normalisation_on_everything_is_suspected_with_its_figures():
    windows, subjects = windows_by_subject(lambda subject: noise(subject) * (1 + subject) + subject)
    split = by_subject(subjects)
    trained = windows[split != "test"]

    def normalised(by):
        return (windows - by.mean((0, 2))[:, None]) / by.std((0, 2))[:, None]

    finding = findings_of(normalised(windows), subjects, split)["normalisation"]
    assert finding.suspicion
    mean = normalised(windows)[split != "test"].mean((0, 2))
    assert f"mean ({mean[0]:.3f}, {mean[1]:.3f}" in finding.detail
    assert str(finding).startswith("normalisation (suspicion): ")
    for honest in (normalised(trained), windows):
        assert findings_of(honest, subjects, split) == {}


@pytest.mark.parametrize("lowest", [0, -1])
def test_min_max_scaling_of_everything_is_suspected_with_its_figures(lowest):
    windows, subjects = windows_by_subject(noise)
    split = by_subject(subjects)
    windows[split == "test", 3] *= 2

    def scaled(by):
        low, high = by.min((0, 2))[:, None], by.max((0, 2))[:, None]
        return (windows - low) / (high - low) * (1 - lowest) + lowest

    (finding,) = audit_windows(scaled(windows), subjects, split)
    assert (finding.kind, finding.suspicion) == ("normalisation", True)
    assert f"minimum ({lowest:.3f}, {lowest:.3f}, " in finding.detail
    assert "those of a min-max scaling" in finding.detail
    assert f"{scaled(windows)[split != 'test'].max((0, 2))[3]:.3f}" in finding.detail
    low, high = windows.min((1, 2), keepdims=True), windows.max((1, 2), keepdims=True)
    one_by_one = (windows - low) / (high - low)
    for honest in (scaled(windows[split != "test"]), one_by_one, windows):
        assert findings_of(honest, subjects, split) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda w, s, p: (w.transpose(0, 2, 1), s, p),
            r"6 samples are too short, at least 8 .* if 128 is the number of samples, pass",
        ),
        (
            lambda w, s, p: (w.repeat(2, 1).cumsum(2).transpose(0, 2, 1), s, p),
            r"shape \(240, 128, 12\), and values differ by 0\.[78].* of the 128 channels, but by "
            r".* of the 12 samples: .*, pass windows.transpose\(0, 2, 1\)",
        ),
        (lambda w, s, p: (w[0], s, p), r"shape \(6, 128\), expected \(N, C, T\)"),
        (lambda w, s, p: (w[:0], s[:0], p[:0]), "with at least one window"),
        (lambda w, s, p: (w[:, :0], s, p), r"\(240, 0, 128\), .* at least one window and channel"),
        (
            lambda w, s, p: (w.astype(int), s, p),
            "windows has type int64, allowed are float16, float32",
        ),
        (lambda w, s, p: (w[:, :, :7], s, p), "6 channels and 7 samples are too short, at least 8"),
        (lambda w, s, p: (w, s[:-1], p), r"subjects has shape \(239,\), expected \(240,\)"),
        (lambda w, s, p: (w, s, p[:, None]), r"split has shape \(240, 1\), expected \(240,\)"),
        (lambda w, s, p: (w, s + 0.5, p), "subjects has type float64, allowed are integers"),
        (
            lambda w, s, p: (w, s, s),
            r"split has type int64, allowed are strings: .*np.where\(mask, ",
        ),
        (
            lambda w, s, p: (w, s, p == "test"),
            r"split has type bool, .* use np.where\(mask, 'test', 'train'\)",
        ),
        (
            lambda w, s, p: (w, s, (p == "test").astype(int).astype(str)),
            r"split holds '0', '1': .* use np.where\(mask, 'test', 'train'\)",
        ),
        (
            lambda w, s, p: (w, s, p.astype(object)),
            r"split has type object, .*: use .astype\(str\)",
        ),
        (lambda w, s, p: (w, s, p.astype("S")), r"split has type \|S5, .*: use .astype\(str\)"),
        (lambda w, s, p: (w, s.astype(object), p), "subjects has type object, allowed"),
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
    windows, subjects = windows_by_subject(noise)
    with pytest.raises(ValueError, match=message):
        audit_windows(*change(windows, subjects, by_subject(subjects)))


@pytest.mark.parametrize("dtype", ["f2", ">f4", "<f8"])
def test_every_kind_of_float_is_compared(dtype):
    windows = cut(noise()).astype(dtype)
    split = np.where(np.arange(len(windows)) % 2, "test", "train")
    assert set(findings_of(windows, np.zeros(len(windows), int), split)) >= {"subject", "overlap"}


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


@pytest.mark.parametrize("values", [["a", "b"], [1, 2]])
def test_a_file_of_objects_is_told_how_to_become_strings(tmp_path, values):
    np.save(tmp_path / "s.npy", np.array(values, object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"s\.npy holds Python objects: .* array\.astype\(str\)"):
        load_windows(*[tmp_path / "s.npy"] * 3)


def test_every_damage_is_one():
    assert WHOLE not in DAMAGED.values()


def test_absent_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*gone\.npy: write it with numpy"):
        load_windows(*[tmp_path / "gone.npy"] * 3)


@pytest.mark.parametrize(
    ("change", "unseen"),
    [
        (
            lambda w: w,
            "overlaps of fewer than 8 of 128 samples, or of windows that were normalised",
        ),
        (lambda w: 0 * w, "overlaps where as little changes as in most of these windows, or of"),
    ],
)
def test_what_would_not_be_seen_is_told_where_nothing_was(tmp_path, capsys, change, unseen):
    windows, subjects = windows_by_subject(noise)
    arrays = {"windows": change(windows), "subjects": subjects, "split": by_subject(subjects)}
    words = ["bench", "audit"]
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        words += [f"--{name}", str(tmp_path / f"{name}.npy")]
    assert main(words) == 0
    assert f"no leak found in 240 windows of 6 channels and 128 samples; {unseen}" in (
        capsys.readouterr().out
    )
