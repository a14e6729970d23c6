"""A recording and an input description refuse what does not fit, and say what would."""

import numpy as np
import pytest
from beartype.roar import BeartypeException
from jaxtyping import TypeCheckError

from tests.support.recordings import CHANNELS, recording
from tsclr.types import UNITS, InputSpec, Recording, sensor_kind

SPEC = InputSpec(CHANNELS, 50.0, 128)


def made(signal, **others):
    settings = {"sample_rate": 50.0, "channels": CHANNELS, "subject": "s1", "name": "walk"}
    return Recording(signal=signal, **settings | others)


def test_recording_with_swapped_axes_names_the_transpose():
    with pytest.raises(ValueError, match=r"\(3, 100\), expected \(T, 3\).*transpose"):
        made(np.zeros((3, 100), np.float32))


def test_recording_with_another_number_of_labels_is_refused():
    # The constructor's annotations, checked in tests only, would speak up first.
    walk = recording(100)
    object.__setattr__(walk, "labels", np.zeros(99, int))
    with pytest.raises(ValueError, match="recording 'walk': 99 labels for 100 samples"):
        walk.__post_init__()


def test_recording_of_integers_is_caught_by_the_annotation():
    with pytest.raises((TypeCheckError, BeartypeException)):
        made(np.zeros((100, 3), int))


def test_recording_that_a_store_can_hold_passes_the_check():
    recording(4, labels=[-1, 0, 1, 1], classes=("sit", "walk")).check()
    recording(4).check()


def test_recording_without_samples_is_refused():
    with pytest.raises(ValueError, match="'walk' has no samples"):
        recording(0).check()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_recording_with_samples_that_are_not_finite_is_refused(value):
    broken = recording(100)
    broken.signal[[3, 7], 1] = value
    with pytest.raises(ValueError, match="2 of 100 samples are not finite"):
        broken.check()


@pytest.mark.parametrize("label", [2, 7, -2])
def test_label_outside_the_class_list_is_refused(label):
    with pytest.raises(ValueError, match=f"label {label} is outside its 2 classes: allowed are 0"):
        recording(3, labels=[0, label, 1], classes=("sit", "walk")).check()


def test_units_follow_the_sensor_whatever_the_device():
    spec = InputSpec(("wrist_acc_x", "gyr_y", "mag_z", "temperature"), 50.0, 128)
    assert spec.units == (UNITS["acc"], UNITS["gyr"], UNITS["mag"], "")
    assert sensor_kind("left_wrist_gyr_x") == "gyr"


def test_input_spec_survives_json():
    values = {"channels": list(CHANNELS), "sample_rate": 50.0, "length": 128}
    assert InputSpec.from_dict(values | {"units": list(SPEC.units)}) == SPEC


def test_input_spec_in_other_units_is_refused():
    values = {"channels": ["acc_x"], "sample_rate": 50.0, "length": 128, "units": ["m/s²"]}
    with pytest.raises(ValueError, match="use the version of tsclr that wrote it"):
        InputSpec.from_dict(values)


def test_stream_that_fits_is_accepted():
    SPEC.check_stream(CHANNELS, 50.0)


@pytest.mark.parametrize("channels", [CHANNELS[::-1], CHANNELS[:2], (*CHANNELS, "gyr_x")])
def test_stream_with_other_channels_or_order_says_what_to_map(channels):
    with pytest.raises(ValueError, match=r"trained on acc_x, acc_y, acc_z: ingest .*--columns"):
        SPEC.check_stream(channels, 50.0)


def test_stream_at_another_rate_says_how_to_resample():
    with pytest.raises(ValueError, match=r"have 100 Hz.* at 50 Hz: ingest .*--rate 50"):
        SPEC.check_stream(CHANNELS, 100.0)


@pytest.mark.parametrize("n", [0, 1, 10])
def test_windows_that_fit_are_accepted(n):
    SPEC.check((n, 3, 128))


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((10, 128, 3), r"swapped: pass X\.transpose\(0, 2, 1\)"),
        ((3, 128), r"leading axis: pass X\[None\]"),
        ((10, 6, 128), "channels acc_x, acc_y, acc_z at 50 Hz"),
        ((10, 3, 127), "channels acc_x, acc_y, acc_z at 50 Hz"),
        ((128,), "channels acc_x, acc_y, acc_z at 50 Hz"),
    ],
)
def test_windows_of_another_shape_say_what_to_do(shape, hint):
    with pytest.raises(ValueError, match=rf"expected \(N, 3, 128\): .*{hint}"):
        SPEC.check(shape)
