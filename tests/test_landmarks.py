"""A sketch is that of the same recording however it is saved, and of no other recording."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.landmarks import CHANGES
from tsclr import signals
from tsclr.data import landmarks
from tsclr.data.landmarks import (
    MIN_SHARED,
    N_LEAST,
    N_MOST,
    from_text,
    is_same,
    same_pairs,
    sketch,
    to_text,
)
from tsclr.data.store import Store
from tsclr.datasets import Synthetic

RATE = 50.0


def movement(seed=0, seconds=120, channels=6):
    """Band-limited noise of 1 g or 1 rad/s, the least regular movement there is."""
    noise = np.random.default_rng(seed).normal(size=(int(seconds * RATE), channels))
    return signals.resample(signals.resample(noise, RATE, 10.0), 10.0, RATE)


@pytest.mark.parametrize("change", CHANGES)
def test_a_recording_is_known_after(change):
    people = [movement(seed) for seed in range(5)]
    changed = [sketch(*CHANGES[change](person, RATE)) for person in people]
    pairs = set(same_pairs([sketch(person, RATE) for person in people], changed))
    assert pairs == {(index, index) for index in range(5)}


@given(
    seed=st.integers(0, 999),
    rate=st.sampled_from([20.0, 25.0, 31.25, 40.0, 64.0, 100.0]),
    gains=st.lists(st.floats(0.3, 30).map(lambda gain: -gain if gain > 15 else gain), min_size=4),
    offset=st.floats(-5, 5),
    order=st.permutations(range(4)),
    cut=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_rate_gain_sign_offset_order_and_cut_together_hide_nothing(
    seed, rate, gains, offset, order, cut
):
    person = movement(seed, channels=4)
    gains = np.resize(gains, 4)
    other = signals.resample((gains * person + offset)[cut:, list(order)], RATE, rate)
    assert is_same(sketch(person, RATE), sketch(other, rate))
    assert not is_same(sketch(movement(seed + 1000, channels=4), RATE), sketch(other, rate))


@pytest.mark.parametrize("seed", [0, 1])
def test_no_simulated_person_is_taken_for_another(seed):
    sketches = Store.build(Synthetic(n_subjects=12, minutes=5, seed=seed).recordings()).sketches
    assert list(map(len, sketches)) == [N_LEAST] * 12
    assert set(same_pairs(sketches, sketches)) == {(index, index) for index in range(12)}


@pytest.mark.parametrize("hertz", [0.9, 1.8, 2.7])
def test_regular_movement_is_no_evidence(hertz):
    time = np.arange(6000) / RATE
    strides = np.stack([np.sin(2 * np.pi * k * hertz * time) for k in (1, 2)], axis=1)
    strides += np.random.default_rng(0).normal(0, 1e-4, strides.shape)
    assert len(sketch(strides, RATE)) < MIN_SHARED


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros((6000, 3)),
        np.ones((6000, 3), np.float32) / 3,
        np.random.default_rng(0).normal(0, 1e-4, (6000, 3)),
        movement(seconds=1),
        np.zeros((0, 3)),
    ],
    ids=["zero", "constant", "noise of a sensor at rest", "a second", "nothing"],
)
def test_a_recording_at_rest_or_too_short_has_no_sketch_to_be_mistaken(signal):
    assert len(sketch(signal, RATE)) < MIN_SHARED
    assert not is_same(sketch(signal, RATE), sketch(signal, RATE))


def test_halves_of_a_recording_are_two_recordings_and_each_is_in_the_whole():
    whole = movement(seconds=600)
    first, second = (sketch(half, RATE) for half in np.array_split(whole, 2))
    assert not is_same(first, second)
    assert is_same(first, sketch(whole, RATE))
    assert is_same(second, sketch(whole, RATE))


def test_pairs_are_those_of_every_sketch_with_every_other():
    people = [movement(seed, seconds=40) for seed in range(6)]
    ones = [sketch(person[:1500], RATE) for person in people] + [np.zeros(0, np.uint32)]
    others = [sketch(person[500:], RATE) for person in people[::-1] + people[:2]]
    expected = [
        (i, j)
        for i, one in enumerate(ones)
        for j, other in enumerate(others)
        if is_same(one, other)
    ]
    assert sorted(same_pairs(ones, others)) == expected
    assert len(expected) == 8
    assert list(same_pairs(ones, [])) == list(same_pairs([], others)) == []


def test_a_long_recording_is_read_in_chunks(monkeypatch):
    whole = movement(seconds=300)
    expected = sketch(whole, RATE)
    monkeypatch.setattr(landmarks, "CHUNK", 6 * 1000)
    np.testing.assert_array_equal(sketch(whole, RATE), expected)


@pytest.mark.parametrize(("minutes", "expected"), [(2, N_LEAST), (20, 160), (300, N_MOST)])
def test_a_sketch_grows_with_the_recording_up_to_8_kilobytes(minutes, expected):
    kept = sketch(movement(seconds=60 * minutes, channels=2), RATE)
    assert len(kept) == expected
    assert kept.nbytes <= 8192


def test_a_sketch_passes_through_text():
    kept = sketch(movement(), RATE)
    np.testing.assert_array_equal(from_text(to_text(kept)), kept)
    assert (np.diff(kept.astype(int)) > 0).all()  # neither order nor times


@pytest.mark.parametrize("text", ["äöü", "AAAA", "AAA", "AgAAAAEAAAA=", "AQAAAAEAAAA="])
def test_text_of_no_sketch_is_refused(text):
    with pytest.raises(ValueError, match="is no sketch"):
        from_text(text)


# Real recordings: `python -m benchmarks.landmarks` compares all of them.


@pytest.mark.parametrize("name", ["hapt_store", "motionsense_store"])
def test_no_real_recording_is_taken_for_another(name, request):
    store = request.getfixturevalue(name)
    names = store.recordings["name"].tolist()
    pairs = {
        (names[one], names[other])
        for one, other in same_pairs(store.sketches, store.sketches)
        if one < other
    }
    # MotionSense was published with one recording twice, to the last digit.
    assert pairs == ({("sit_5_sub_1", "sit_13_sub_1")} if name == "motionsense_store" else set())


@pytest.mark.parametrize("change", CHANGES)
def test_real_recordings_are_known_after(change, hapt_store):
    rows = hapt_store.recordings[["start", "length"]].to_numpy().tolist()[::6]
    for index, (start, length) in zip(range(0, 61, 6), rows, strict=True):
        signal = hapt_store.signal[start : start + length]
        assert is_same(hapt_store.sketches[index], sketch(*CHANGES[change](signal, RATE)))


def test_sketches_of_a_store_are_those_of_its_recordings(hapt_store):
    few = replace(hapt_store, recordings=hapt_store.recordings.iloc[:3])
    for kept, row in zip(few.sketches, few.recordings.to_dict("records"), strict=True):
        signal = few.signal[row["start"] : row["start"] + row["length"]]
        np.testing.assert_array_equal(kept, sketch(signal, 50.0))
    assert not any(is_same(*pair) for pair in combinations(few.sketches, 2))
