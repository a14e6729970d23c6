"""Positives are near in time, of the same stretch, and drawn evenly."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recordings import recording
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.pairs import Neighbour, OtherDevice, OtherSensor, Pairing, SameRecording, SameWindow
from tsclr.specs import from_spec, spec_of, subclasses

PAIRINGS = subclasses(Pairing)


def sliding(lengths, length=20, stride=10):
    store = Store.build([recording(n, f"s{number}") for number, n in enumerate(lengths)])
    return Windows.sliding(store, length, stride)


@pytest.fixture
def windows():
    """Three subjects, each with two devices worn at once."""
    store = Store.build(
        [
            recording(n, f"s{number}", device, device=device, start_time=10**18)
            for number, n in enumerate([200, 100, 45])
            for device in ("wrist", "pocket")
        ]
    )
    return Windows.sliding(store, 20, 10)


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


def test_every_window_of_two_devices_is_usable_and_seen(pairing, windows):
    assert pairing.usable(windows).tolist() == list(range(len(windows)))
    if not isinstance(pairing, OtherSensor):
        for view in range(3):
            assert pairing.visible(windows.store.channels, view).all()


def test_same_window_is_the_identity(windows):
    index = np.array([3, 3, 0, 7])
    assert SameWindow().partner(index, windows).tolist() == [3, 3, 0, 7]


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
    with pytest.raises(ValueError, match="seconds=-1 must be finite and at least 0"):
        Neighbour(-1.0)


@given(
    lengths=st.lists(st.integers(20, 150), min_size=1, max_size=4),
    stride=st.integers(1, 30),
    bounds=st.tuples(st.floats(0, 3), st.floats(0, 3)),
    seed=st.integers(0, 1000),
)
def test_neighbour_is_one_that_a_search_finds(lengths, stride, bounds, seed):
    windows = sliding(lengths, stride=stride)
    gap, seconds = sorted(bounds)
    apart = abs(windows.starts - windows.starts[:, None])
    allowed = (apart <= round(seconds * 50)) & (apart >= max(round(gap * 50), gap > 0))
    allowed &= windows.rows() == windows.rows()[:, None]
    alone = ~(allowed & (apart > 0)).any(1)
    pairing = Neighbour(seconds, gap)
    assert pairing.alone(windows).tolist() == alone.tolist()
    if seconds and alone.all():
        with pytest.raises(ValueError, match=r"no window has another .* lower `gap`"):
            pairing.usable(windows)
        return
    usable = pairing.usable(windows)
    assert usable.tolist() == np.flatnonzero(allowed.any(1)).tolist()
    index = usable.repeat(3)
    partner = pairing.partner(index, windows, torch.Generator().manual_seed(seed))
    assert allowed[index, partner].all()


def test_a_gap_shorter_than_a_sample_still_leaves_out_the_window_itself(windows, generator):
    index = np.arange(len(windows)).repeat(20)
    partner = Neighbour(0.4, gap=0.001).partner(index, windows, generator)
    assert (windows.starts[partner] != windows.starts[index]).all()


def test_neighbours_on_both_sides_of_a_gap_are_equally_likely(generator):
    windows = sliding([200, 200])
    # Starts every 10 samples; 0.4 to 0.8 s = 20 to 40 samples: two to four windows away.
    for place, allowed in [(6, [2, 3, 4, 8, 9, 10]), (1, [3, 4, 5]), (17, [13, 14, 15])]:
        partner = Neighbour(0.8, gap=0.4).partner(np.full(3000, place), windows, generator)
        found, counts = np.unique(partner, return_counts=True)
        assert found.tolist() == allowed
        p = 1 / len(allowed)
        assert (abs(counts - 3000 * p) < 5 * np.sqrt(3000 * p * (1 - p))).all()


def test_windows_without_a_neighbour_beyond_the_gap_are_refused(generator):
    windows = sliding([100, 30])
    assert Neighbour(2.0, gap=1.0).usable(windows).tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    with pytest.raises(ValueError, match="1 of 2 windows have no other 1 to 2 s away"):
        Neighbour(2.0, gap=1.0).partner(np.array([0, 4]), windows, generator)


@pytest.mark.parametrize("gap", [-1.0, 3.0, float("nan")])
def test_impossible_gaps_are_refused(gap):
    with pytest.raises(ValueError, match=f"gap={gap:g} must be within 0 and seconds=2.56"):
        Neighbour(2.56, gap)


# ---------------------------------------------------------------- same recording


def test_same_recording_reaches_every_window_of_it_evenly(generator):
    windows = sliding([200, 100])
    n_draws = 4000
    for index, allowed in [(3, range(19)), (20, range(19, 28))]:
        partner = SameRecording().partner(np.full(n_draws, index), windows, generator)
        found, counts = np.unique(partner, return_counts=True)
        assert found.tolist() == list(allowed)
        p = 1 / len(allowed)
        assert (abs(counts - n_draws * p) < 5 * np.sqrt(n_draws * p * (1 - p))).all()


# ---------------------------------------------------------------- other sensor


def test_views_of_other_sensors_take_turns():
    channels = ("acc_x", "gyr_x", "wrist_acc_y", "heart_rate")
    pairing = OtherSensor("gyr", "acc")
    assert pairing.visible(channels, 0).tolist() == [False, True, False, False]
    assert pairing.visible(channels, 1).tolist() == [True, False, True, False]
    assert pairing.visible(channels, 2).tolist() == pairing.visible(channels, 0).tolist()


def test_other_sensor_that_is_not_there():
    with pytest.raises(ValueError, match="no channel of the sensor 'mag' among acc_x, gyr_x"):
        OtherSensor("acc", "mag").visible(("acc_x", "gyr_x"), 1)
    with pytest.raises(ValueError, match="both 'acc'"):
        OtherSensor("acc", "acc")


# ---------------------------------------------------------------- other device


def worn(*devices):
    """Windows of 20 every 10 samples; a device is (subject, name, seconds of delay, samples)."""
    store = Store.build(
        [
            recording(n, subject, name, device=name, start_time=10**18 + round(1e9 * delay))
            for subject, name, delay, n in devices
        ]
    )
    return Windows.sliding(store, 20, 10)


def absolute(windows, index):
    """Start of windows on the common clock, s."""
    table = windows.store.recordings.iloc[windows.rows(index)]
    within = (windows.starts[index] - table["start"].to_numpy()) / windows.store.sample_rate
    return (table["start_time"].to_numpy() - 10**18) * 1e-9 + within


@given(
    worn_by_one=st.lists(st.tuples(st.floats(0, 4), st.integers(20, 150)), min_size=2, max_size=4),
    tolerance=st.floats(0.1, 1.0),
    seed=st.integers(0, 100),
)
def test_partner_on_another_device_is_the_nearest_in_time(worn_by_one, tolerance, seed):
    """Against a search through all windows; another subject's recording lies before each."""
    devices = []
    for k, (delay, length) in enumerate(worn_by_one):
        devices += [("s2", "d0", 100.0 * k, 25), ("s1", f"d{k}", delay, length)]
    windows = worn(*devices)
    every = np.arange(len(windows))
    time, rows = absolute(windows, every), windows.rows()
    allowed = {}
    for i in every[rows % 2 == 1]:
        for row in set(range(1, len(devices), 2)) - {rows[i]}:
            there = every[rows == row]
            nearest = there[np.argmin(abs(time[there] - time[i]))]
            if abs(time[nearest] - time[i]) <= tolerance - 1e-6:
                allowed.setdefault(i, set()).add(row)
    pairing = OtherDevice(tolerance)
    if not allowed:
        return
    usable = pairing.usable(windows)
    assert set(allowed) <= set(usable)
    partner = pairing.partner(usable, windows, torch.Generator().manual_seed(seed))
    assert (abs(time[partner] - time[usable]) <= tolerance + 1e-6).all()
    assert (rows[partner] != rows[usable]).all()
    assert (windows.subjects[partner] == windows.subjects[usable]).all()


def test_each_of_several_devices_is_drawn(generator):
    windows = worn(("s1", "wrist", 0, 40), ("s1", "pocket", 0, 40), ("s1", "belt", 0, 40))
    partner = OtherDevice().partner(np.full(4000, 3), windows, generator)
    found, counts = np.unique(partner, return_counts=True)
    assert found.tolist() == [0, 6]
    assert abs(counts[0] - 2000) < 5 * np.sqrt(1000)


def test_windows_without_another_device():
    windows = worn(("s1", "wrist", 0, 100), ("s1", "pocket", 1.0, 100), ("s2", "wrist", 0, 50))
    usable = OtherDevice(tolerance=0.0).usable(windows)
    assert absolute(windows, usable).tolist() == [1.0, 1.2, 1.4, 1.6, 1.0, 1.2, 1.4, 1.6]
    with pytest.raises(ValueError, match="1 of 2 windows have no partner"):
        OtherDevice(tolerance=0.0).partner(np.array([0, 5]), windows)


@pytest.mark.parametrize(
    "store",
    [
        [recording(100, "s1", device="wrist", start_time=10**18)],
        [recording(100, "s1", device=device) for device in ("wrist", "pocket")],
        [
            recording(100, "s1", device="wrist", start_time=10**18),
            recording(100, "s2", device="pocket", start_time=10**18),
        ],
    ],
    ids=["one device", "no clock", "other subject"],
)
def test_devices_that_share_no_time(store):
    windows = Windows.sliding(Store.build(store), 20, 10)
    with pytest.raises(ValueError, match=r"no window of s1.* has a partner on another.*wrist"):
        OtherDevice().usable(windows)


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_tolerance_that_makes_no_sense(tolerance):
    with pytest.raises(ValueError, match="must not be negative"):
        OtherDevice(tolerance)


def test_neighbours_without_end_are_refused():
    with pytest.raises(ValueError, match="use SameRecording"):
        Neighbour(float("inf"))


def test_a_neighbour_that_nobody_has_is_told():
    windows = sliding([200, 200], length=40, stride=40)
    assert Neighbour(0.9).partner(np.arange(5), windows).max() <= 5
    with pytest.raises(ValueError, match=r"another 0 to 0.5 s away .* to the stride at least"):
        Neighbour(0.5).usable(windows)
    assert Neighbour(0.0).usable(windows).tolist() == list(range(10))
    one_each = sliding([40, 40, 79], length=40, stride=10)
    assert Neighbour(0.4).alone(one_each).tolist() == [True, True, False, False, False, False]
