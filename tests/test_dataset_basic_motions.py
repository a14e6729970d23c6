"""BasicMotions is what aeon ships, in tsclr's units; without aeon it says what to install."""

import sys
from types import ModuleType

import numpy as np
import pytest

from tsclr.datasets import BasicMotions
from tsclr.types import Recording


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    pytest.importorskip("aeon", reason="aeon holds the data: pip install 'tsclr[bench]'")
    return list(BasicMotions().recordings())


def planted(monkeypatch, labels: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Stands in for aeon: cases of noise by part, all parts with these labels."""
    generator = np.random.default_rng(0)
    cases = {part: generator.normal(size=(len(labels), 6, 100)) for part in ("train", "test")}
    module = ModuleType("aeon.datasets")
    module.load_basic_motions = lambda split: (cases[split], np.array(labels))  # pyright: ignore
    monkeypatch.setitem(sys.modules, "aeon", ModuleType("aeon"))
    monkeypatch.setitem(sys.modules, "aeon.datasets", module)
    return cases


def test_the_real_cases_have_the_published_counts(recordings):
    assert [len(recording.signal) for recording in recordings] == [100] * 80
    for side in (True, False):
        held_out = [r for r in recordings if (r.subject in BasicMotions.test_subjects) == side]
        labels = [recording.labels[0] for recording in held_out]
        np.testing.assert_array_equal(np.bincount(labels), [10, 10, 10, 10])


def test_the_real_units_are_plausible(recordings):
    """A wrist reaches a few g and turns within the range of its gyroscope, ±2000 deg/s."""
    sizes = {name: [] for name in BasicMotions.classes}
    for recording in recordings:
        size = np.linalg.norm(recording.signal[:, :3], axis=1)
        sizes[BasicMotions.classes[recording.labels[0]]].append(size)
    medians = {name: np.median(size) for name, size in sizes.items()}
    assert medians["standing"] < 0.1 < medians["walking"] < 1 < medians["running"] < 3
    largest = np.abs([recording.signal[:, 3:] for recording in recordings]).max()
    assert 1900 < np.rad2deg(largest) < 2000


def test_the_real_rotation_comes_in_steps_of_a_16_bit_sensor(recordings):
    """At 5000 deg/s over 2¹⁵ a step; larger numbers carry the digits of the file."""
    rotation = np.unique(np.abs([recording.signal[:, 3:] for recording in recordings]))
    steps = rotation[rotation < 0.2] / np.deg2rad(5000 / 2**15)
    np.testing.assert_allclose(steps, steps.round(), atol=0.02)


def test_cases_are_converted_and_named_by_their_part(monkeypatch):
    cases = planted(monkeypatch, ("walking", "standing"))
    monkeypatch.setattr(BasicMotions, "facts", {"recordings": 4, "subjects": 4, "bouts": 4})
    recordings = list(BasicMotions().recordings())
    names = ["train_01", "train_02", "test_01", "test_02"]
    assert [recording.name for recording in recordings] == names
    assert [recording.subject for recording in recordings] == names
    assert [r.subject in BasicMotions.test_subjects for r in recordings] == [False] * 2 + [True] * 2
    last = recordings[-1]
    np.testing.assert_allclose(last.signal[:, 0] * 9.80665, cases["test"][1, 0], rtol=1e-6)
    np.testing.assert_allclose(last.signal[:, 5], cases["test"][1, 5], rtol=1e-6)
    assert last.labels.tolist() == [0] * 100
    assert (last.channels[5], last.sample_rate, last.signal.dtype) == ("gyr_z", 10.0, np.float32)


def test_another_archive_is_named(monkeypatch):
    planted(monkeypatch, ("walking", "resting"))
    with pytest.raises(ValueError, match="train_02: label 'resting', expected one of standing"):
        list(BasicMotions().recordings())
    planted(monkeypatch, ("walking",) * 39)
    with pytest.raises(ValueError, match="78 recordings, expected 80"):
        list(BasicMotions().recordings())


def test_without_aeon_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "aeon.datasets", None)
    with pytest.raises(ValueError, match=r"package aeon.*pip install 'tsclr\[bench\]'"):
        list(BasicMotions().recordings())
