"""Positives are near in time, of the same stretch, and drawn evenly."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings import recording
from tsclr.pairs import Neighbour, Pairing, SameWindow
from tsclr.specs import from_spec, spec_of, subclasses
from tsclr.store import Store
from tsclr.windows import Windows

PAIRINGS = subclasses(Pairing)


def sliding(lengths, length=20, stride=10):
    store = Store.build([recording(n, f"s{number}") for number, n in enumerate(lengths)])
    return Windows.sliding(store, length, stride)


@pytest.fixture
def windows():
    return sliding([200, 100, 45])


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=PAIRINGS.values(), ids=PAIRINGS)
def pairing(request):
    return request.param()


def test_partner_is_a_window_for_each_index(pairing, windows, generator):
    index = np.arange(len(windows)).repeat(5)
    partner = pairing.partner(index, windows, generator)
    assert partner.shape == index.shape
    assert np.issubdtype(partner.dtype, np.integer)
    assert (partner >= 0).all()
    assert (partner < len(windows)).all()


def test_partner_is_of_the_same_subject(pairing, windows, generator):
    index = np.arange(len(windows)).repeat(20)
    partner = pairing.partner(index, windows, generator)
    assert np.array_equal(windows.subjects[partner], windows.subjects[index])


def test_partner_repeats_with_the_seed(pairing, windows):
    index = np.arange(len(windows))
    one, other = (
        pairing.partner(index, windows, torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert np.array_equal(one, other)


def test_partner_without_a_generator_follows_the_global_seed(pairing, windows):
    index = np.arange(len(windows))
    torch.manual_seed(3)
    one = pairing.partner(index, windows)
    torch.manual_seed(3)
    assert np.array_equal(one, pairing.partner(index, windows))


def test_partner_of_nothing_is_nothing(pairing, windows, generator):
    assert len(pairing.partner(np.zeros(0, int), windows, generator)) == 0


def test_pairing_leaves_index_and_itself_alone(pairing, windows, generator):
    index, before = np.arange(len(windows)), dict(vars(pairing))
    pairing.partner(index, windows, generator)
    assert np.array_equal(index, np.arange(len(windows)))
    assert vars(pairing) == before
    assert set(before) == set(inspect.signature(type(pairing)).parameters)


def test_pairing_comes_back_from_its_spec(pairing):
    assert vars(from_spec(Pairing, spec_of(pairing))) == vars(pairing)


def test_same_window_is_the_identity(windows):
    index = np.array([3, 3, 0, 7])
    assert SameWindow().partner(index, windows).tolist() == [3, 3, 0, 7]


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.lists(st.integers(20, 150), min_size=1, max_size=4),
    stride=st.integers(1, 30),
    seconds=st.floats(0, 3),
    seed=st.integers(0, 1000),
)
def test_neighbour_stays_within_seconds_and_stretch(lengths, stride, seconds, seed):
    windows = sliding(lengths, stride=stride)
    index = np.arange(len(windows)).repeat(3)
    generator = torch.Generator().manual_seed(seed)
    partner = Neighbour(seconds).partner(index, windows, generator)
    apart = abs(windows.starts[partner] - windows.starts[index])
    assert (apart <= round(seconds * 50)).all()
    assert np.array_equal(windows.rows(partner), windows.rows(index))


def test_neighbour_reaches_all_allowed_windows_evenly(generator):
    windows = sliding([200, 200])
    n_windows, n_draws = len(windows) // 2, 2000
    # Starts every 10 samples, 0.4 s = 20 samples: two to each side, as far as the stretch goes.
    for place in (0, 1, 5, n_windows - 1, n_windows):
        index = np.full(n_draws, place)
        partner = Neighbour(0.4).partner(index, windows, generator)
        side = slice(0, n_windows) if place < n_windows else slice(n_windows, None)
        allowed = [k for k in range(len(windows))[side] if abs(k - place) <= 2]
        found, counts = np.unique(partner, return_counts=True)
        assert found.tolist() == allowed
        p = 1 / len(allowed)
        assert (abs(counts - n_draws * p) < 5 * np.sqrt(n_draws * p * (1 - p))).all()


def test_neighbour_of_zero_seconds_is_the_window_itself(windows, generator):
    index = np.arange(len(windows))
    assert np.array_equal(Neighbour(0.0).partner(index, windows, generator), index)


def test_neighbour_skips_windows_that_were_not_selected(windows, generator):
    even = windows.select(np.arange(0, len(windows), 2))
    partner = Neighbour(0.4).partner(np.full(300, 3), even, generator)
    assert set(even.starts[partner]) == {40, 60, 80}


def test_neighbour_never_crosses_a_gap_within_one_subject(generator):
    store = Store.build([recording(100, "s1"), recording(100, "s1")])
    windows = Windows.sliding(store, 20, 10)
    index = np.arange(len(windows)).repeat(50)
    partner = Neighbour(10.0).partner(index, windows, generator)
    assert np.array_equal(windows.rows(partner), windows.rows(index))


def test_negative_seconds_are_refused():
    with pytest.raises(ValueError, match="seconds=-1 must not be negative"):
        Neighbour(-1.0)
