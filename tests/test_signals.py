"""Signals: values against closed forms, and against slow references written here."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsclr import signals

MS = 10**6


def stamps_ms(*values: float) -> np.ndarray:
    return np.rint(np.array(values) * MS).astype(np.int64)


def delivered_in_batches(n: int, rate: float, seed: int = 0) -> np.ndarray:
    """Stamps of a phone: one batch in ten waits up to 188 ms, rounded to whole milliseconds."""
    rng = np.random.default_rng(seed)
    taken = np.arange(n) / rate * 1000
    stamps = taken.copy()
    for start in range(5, n - 20, 60):
        size = int(rng.integers(8, 18))
        stamps[start : start + size] = taken[start + size]
    return stamps_ms(*np.floor(stamps))


# --- order --------------------------------------------------------------------------------------


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60))
def test_sort_dedupe_equals_a_slow_reference(values: list[int]) -> None:
    stamps = np.array(values, np.int64)
    found = signals.sort_dedupe(stamps)
    first = {stamp: row for row, stamp in reversed(list(enumerate(values)))}
    assert found.rows.tolist() == [first[stamp] for stamp in sorted(first)]
    assert found.n_backward == sum(b < a for a, b in itertools.pairwise(values))
    assert found.n_duplicate == len(values) - len(first)
    assert found.n_resets == 0


def test_a_large_step_back_is_a_reset_and_nothing_is_sorted_across_it() -> None:
    found = signals.sort_dedupe(stamps_ms(5000, 5020, 5010, 0, 20, 40), max_gap=1.0)
    assert found.rows.tolist() == [0, 2, 1, 3, 4, 5]
    assert (found.n_backward, found.n_resets) == (1, 1)


def test_batched_samples_are_kept_even_where_equal() -> None:
    stamps = stamps_ms(0, 0, 0, 30, 30, 30, 60, 60, 60)
    values = np.arange(9, dtype=np.float32)[:, None]
    assert signals.sort_dedupe(stamps, values, 1.0).n_duplicate == 0
    values[4] = values[3]
    assert signals.sort_dedupe(stamps, values, 1.0).n_duplicate == 0


def test_rows_written_twice_are_dropped() -> None:
    stamps = np.repeat(np.arange(100) * 20 * MS, 2)
    values = np.repeat(np.arange(100, dtype=np.float32), 2)[:, None]
    found = signals.sort_dedupe(stamps, values, 1.0)
    assert found.rows.tolist() == list(range(0, 200, 2))


def test_one_equal_stamp_in_a_thousand_is_a_duplicate() -> None:
    stamps = stamps_ms(*(20 * np.arange(1000)))
    stamps[500] = stamps[499]
    values = np.arange(1000, dtype=np.float32)[:, None]
    assert signals.sort_dedupe(stamps, values, 1.0).n_duplicate == 1


def test_pieces_cut_at_gaps_and_resets() -> None:
    found = signals.pieces(stamps_ms(0, 20, 5000, 5020, 0, 20), max_gap=1.0)
    assert found == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert signals.pieces(stamps_ms(), 1.0) == []


# --- rate ---------------------------------------------------------------------------------------


def test_rate_ignores_gaps_lost_samples_and_rounding() -> None:
    taken = 1000 * np.arange(4000) / 102.4
    taken[2000:] += 50_000
    stamps = stamps_ms(*np.delete(np.floor(taken), np.arange(100, 4000, 10)))
    assert signals.sample_rate(stamps) == pytest.approx(102.4, rel=2e-3)


def test_rate_of_batched_stamps() -> None:
    stamps = delivered_in_batches(6000, 100.0)
    assert signals.batched(stamps)
    assert signals.sample_rate(stamps) == pytest.approx(100.0, rel=2e-3)


def test_rate_of_stamps_in_whole_seconds() -> None:
    stamps = np.repeat(np.arange(100), 50) * 10**9
    assert signals.sample_rate(stamps) == pytest.approx(50.0, rel=0.01)


@pytest.mark.parametrize("stamps", [stamps_ms(0), stamps_ms(0, 0, 0), stamps_ms(0, 5000, 10000)])
def test_no_rate_without_two_near_stamps(stamps: np.ndarray) -> None:
    with pytest.raises(ValueError, match="raise max_gap"):
        signals.sample_rate(stamps)


def test_wrong_rate_names_both() -> None:
    signals.check_rate(measured=104.25, declared=100.0)
    with pytest.raises(ValueError, match=r"declared 50 Hz, but the stamps say 100 Hz"):
        signals.check_rate(measured=100.0, declared=50.0)


@pytest.mark.parametrize(
    ("measured", "usual"),
    [
        (49.98, 50),
        (102.4, 102.4),
        (104.31, 104.25),
        (333.4, 333.5),
        (667.3, 667),
        (3.333, 3.3),
        (0.1, 0.1),
    ],
)
def test_snap_rate(measured: float, usual: float) -> None:
    assert signals.snap_rate(measured) == usual


@given(st.floats(1.0, 250.0))
def test_a_snapped_rate_resamples_exactly(measured: float) -> None:
    assert signals.rational(signals.snap_rate(measured), 50.0).error == 0


# --- clock --------------------------------------------------------------------------------------


def test_clock_recovers_when_batched_samples_were_taken() -> None:
    seconds = signals.clock(delivered_in_batches(6000, 100.0))
    error = seconds - np.arange(6000) / 100.0
    assert np.abs(error - np.median(error)).max() < 0.002
    assert abs(np.median(error)) < 0.01


@given(st.lists(st.integers(0, 400), min_size=2, max_size=300).filter(any))
def test_clock_never_runs_back(steps: list[int]) -> None:
    seconds = signals.clock(np.cumsum([0, *steps]) * MS)
    assert np.isfinite(seconds).all()
    assert np.diff(seconds).min() >= -1e-9


def test_clock_follows_drift() -> None:
    taken = np.cumsum(np.where(np.arange(60_000) < 30_000, 0.01, 0.0101))
    seconds = signals.clock(np.rint(taken * 1e9).astype(np.int64))
    error = seconds - (taken - taken[0])
    assert np.abs(error[1000:-1000]).max() < 0.03


def test_clock_needs_stamps_that_advance() -> None:
    with pytest.raises(ValueError, match="do not advance"):
        signals.clock(stamps_ms(7, 7, 7))


# --- time units ---------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("start", [0, 1657544418])
def test_time_unit_from_spacing_and_magnitude(unit: str, start: int) -> None:
    ticks = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    values = (start + np.arange(200) * 0.02) * ticks
    assert signals.time_unit(values) == unit
    found = signals.to_nanoseconds(values, unit)
    assert np.abs(found - (start + np.arange(200) * 0.02) * 1e9).max() < 1000
    assert signals.is_unix(int(found[0])) == (start > 0)


def test_time_unit_of_stamps_in_whole_seconds() -> None:
    assert signals.time_unit(np.repeat(np.arange(5), 50)) == "s"
    assert signals.time_unit(np.repeat(np.arange(1657544418, 1657544450), 50)) == "s"


def test_time_unit_is_decided_by_a_declared_rate() -> None:
    since_boot = 1133842630469407 + np.arange(100) * 49_500_000  # ns, but UNIX µs by magnitude
    with pytest.raises(ValueError, match="UNIX time if us"):
        signals.time_unit(since_boot)
    assert signals.time_unit(since_boot, rate=20.0) == "ns"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(100) * 125, "8 Hz if ms, 8e"),
        (np.zeros(100), "does not advance"),
        (np.zeros(1), "at least 2"),
    ],
)
def test_time_unit_refuses_what_it_cannot_tell(values: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        signals.time_unit(values)


def test_unknown_unit_of_time_and_overflow() -> None:
    with pytest.raises(ValueError, match="did you mean ms"):
        signals.to_nanoseconds(np.array([1]), "mss")
    with pytest.raises(ValueError, match="beyond the year 2116"):
        signals.to_nanoseconds(np.array([1657544418000.0]), "s")
    assert signals.to_nanoseconds(np.array([3], np.int32), "us").tolist() == [3000]


# --- regularise ---------------------------------------------------------------------------------


@given(st.floats(20.0, 200.0), st.floats(0.2, 2.0), st.floats(0.0, 0.3), st.integers(0, 2**32 - 1))
def test_regularise_recovers_a_sine_from_jittered_stamps(
    rate: float, frequency: float, jitter: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    taken = (np.arange(600) + jitter * rng.uniform(-0.5, 0.5, 600)) / rate
    values = np.sin(2 * np.pi * frequency * taken)[:, None].astype(np.float32)
    found = signals.regularise(np.rint(taken * 1e9).astype(np.int64), values)
    [segment] = found.segments
    at = (segment.start * 1e-9) + np.arange(len(segment.values)) / found.rate
    error = np.abs(segment.values[:, 0] - np.sin(2 * np.pi * frequency * at)).max()
    # A sample moved by a fifth of a step, or a chord over at most 1.3 steps.
    speed = 2 * np.pi * frequency
    assert error <= speed * 0.41 / rate + (1.3 * speed / rate) ** 2 / 8 + 1e-5
    assert abs(len(segment.values) - 600 * found.rate / rate) <= 2


def test_regularise_recovers_a_sine_from_batched_delivery() -> None:
    stamps = delivered_in_batches(6000, 100.0)
    taken = np.arange(6000) / 100.0
    values = np.sin(2 * np.pi * 2.0 * taken)[:, None].astype(np.float32)
    found = signals.regularise(stamps, values, rate=100.0)
    [segment] = found.segments
    at = segment.start * 1e-9 + np.arange(len(segment.values)) / 100.0
    error = np.abs(segment.values[:, 0] - np.sin(2 * np.pi * 2.0 * at))
    assert error.max() < 2 * np.pi * 2.0 * 0.005  # clock within 5 ms; stamps are off by 170 ms
    assert found.repairs == {"batched_samples": 6000}


def test_regular_stamps_keep_their_samples() -> None:
    values = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    labels = np.arange(500)
    found = signals.regularise(np.arange(500) * 20 * MS + 7, values, labels)
    [segment] = found.segments
    assert np.array_equal(segment.values, values)
    assert np.array_equal(segment.labels, labels)
    assert (segment.start, found.rate, found.repairs) == (7, 50.0, {})


def test_regularise_counts_every_repair() -> None:
    taken = np.arange(1000) * 20.0
    taken[400:] += 3000
    taken[[10, 11]] = taken[[11, 10]]
    taken[21] = taken[20]
    taken[700:] -= 12_000
    values = np.ones((1000, 2), np.float32)
    values[21] = 5
    values[100:105, 0] = np.nan
    values[200:280, 1] = np.inf
    found = signals.regularise(stamps_ms(*taken), values, np.repeat([0, 1], 500))
    assert found.repairs == {
        "backward_stamps": 1,
        "duplicate_stamps": 1,
        "clock_resets": 1,
        "gaps": 1,
        "interpolated_samples": 5,
        "dropped_samples": 80,
    }
    assert [len(segment.values) for segment in found.segments] == [200, 120, 300, 300]
    assert [segment.start // MS for segment in found.segments] == [0, 5600, 11000, 5000]
    assert all((segment.values == 1).all() for segment in found.segments)


def test_labels_go_with_the_nearest_sample() -> None:
    stamps = stamps_ms(*(np.arange(200) * 20.0 + np.tile([0, 9], 100)))
    labels = np.repeat([3, 4], 100)
    [segment] = signals.regularise(stamps, np.zeros((200, 1), np.float32), labels).segments
    assert segment.labels is not None
    seconds = np.arange(len(segment.labels)) * 0.02
    slow = [labels[np.argmin(np.abs(stamps * 1e-9 - second))] for second in seconds]
    assert segment.labels.tolist() == slow


def test_a_stretch_at_another_rate_is_interpolated_without_labels() -> None:
    stamps = np.arange(1000) * 20 * MS
    ramp = np.arange(1000, dtype=np.float32)[:, None]
    [segment] = signals.regularise(stamps, ramp, rate=49.0).segments
    assert segment.labels is None
    np.testing.assert_allclose(
        segment.values[:, 0], np.arange(len(segment.values)) * 50 / 49, rtol=1e-6
    )


def test_lone_samples_and_equal_stamps_are_dropped() -> None:
    stamps = stamps_ms(*range(0, 8000, 20), 19000, 29000, 29000, 29000)
    values = np.arange(len(stamps), dtype=np.float32)[:, None]
    found = signals.regularise(stamps, values)
    assert [len(segment.values) for segment in found.segments] == [400]
    assert found.repairs == {"gaps": 2, "duplicate_stamps": 2, "dropped_samples": 2}


def test_swapped_axes_name_the_transpose() -> None:
    with pytest.raises(ValueError, match=r"pass signal\.T"):
        signals.regularise(np.arange(100) * 20 * MS, np.zeros((3, 100), np.float32))
    with pytest.raises(ValueError, match="one row per stamp"):
        signals.check_axes(np.zeros((3, 4)), 100)


def test_declared_rate_is_checked() -> None:
    with pytest.raises(ValueError, match="declared 50 Hz"):
        signals.regularise(np.arange(100) * 10 * MS, np.zeros((100, 3), np.float32), rate=50.0)


# --- missing samples ----------------------------------------------------------------------------


def test_fill_missing_is_linear_up_to_max_gap() -> None:
    values = np.arange(20, dtype=np.float32)[:, None] * np.array([1, -2], np.float32)
    holed = values.copy()
    holed[[0, 19], 0] = np.nan
    holed[3:6, 0] = np.inf
    holed[8:14, 1] = np.nan
    filled, count = signals.fill_missing(holed, np.arange(20) * 0.1, max_gap=0.4)
    expected = values.copy()
    expected[[0, 19], 0] = np.nan
    expected[8:14, 1] = np.nan
    np.testing.assert_allclose(filled, expected, rtol=1e-6)
    assert count == 3
    assert np.isinf(holed[3, 0])


def test_nothing_is_filled_where_no_sample_is_finite() -> None:
    values = np.full((5, 1), np.nan, np.float32)
    filled, count = signals.fill_missing(values, np.arange(5.0))
    assert np.isnan(filled).all()
    assert count == 0


@given(st.lists(st.integers(-1, 2), max_size=40))
def test_runs_equal_groupby(labels: list[int]) -> None:
    expected, start = [], 0
    for label, group in itertools.groupby(labels):
        stop = start + len(list(group))
        expected.append([start, stop, label])
        start = stop
    assert signals.runs(np.array(labels, np.int64)).tolist() == expected


# --- resampling ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [20.0, 31.25, 51.2, 100.0, 102.4, 104.25])
@pytest.mark.parametrize("n_samples", [1, 3, 1000])
def test_a_constant_stays_constant(rate: float, n_samples: int) -> None:
    found = signals.resample(np.full((n_samples, 3), -0.87, np.float32), rate, 50.0)
    assert found.dtype == np.float32
    assert len(found) == int(np.ceil(round(n_samples * 50 / rate, 9)))
    np.testing.assert_allclose(found, -0.87, rtol=2e-6)


def test_resample_keeps_a_slow_sine_and_removes_what_would_alias() -> None:
    seconds = np.arange(4000) / 100.0
    slow, fast = (np.sin(2 * np.pi * f * seconds)[:, None] for f in (3.0, 32.0))
    found = signals.resample(slow, 100.0, 50.0)[50:-50, 0]
    expected = np.sin(2 * np.pi * 3.0 * np.arange(2000) / 50.0)[50:-50]
    assert np.abs(found - expected).max() < 2e-3
    assert np.abs(signals.resample(fast, 100.0, 50.0)[50:-50]).max() < 0.01


def test_the_same_rate_changes_nothing() -> None:
    signal = np.zeros((5, 2))
    assert signals.resample(signal, 50.0, 50) is signal
    assert signals.resample(signal[:0], 50.0, 25.0).shape == (0, 2)


def test_rational_is_exact_or_states_its_error() -> None:
    assert signals.rational(31.25, 50.0) == (8, 5, 50.0, 0.0)
    with pytest.raises(ValueError, match=r"5000/49983.*choose a target rate in a simpler ratio"):
        signals.rational(99.966, 10.0)
    up, down, rate, error = signals.rational(99.966, 10.0, tolerance=1e-3)
    assert max(up, down) <= 1000
    assert rate == pytest.approx(99.966 * up / down, rel=1e-12)
    assert error == pytest.approx(abs(rate / 10.0 - 1), rel=1e-6)
    assert signals.rational(10.0, 99.966, tolerance=1e-3).error < 1e-3


@pytest.mark.parametrize(("rate", "target"), [(0.0, 50.0), (50.0, np.inf), (-1.0, 50.0)])
def test_rates_are_positive(rate: float, target: float) -> None:
    with pytest.raises(ValueError, match="rates are positive"):
        signals.rational(rate, target)


@pytest.mark.parametrize(("rate", "target"), [(1.0, 3001.0), (3001.0, 1.0)])
def test_a_ratio_beyond_the_largest_factor_is_refused(rate: float, target: float) -> None:
    with pytest.raises(ValueError, match="two steps"):
        signals.rational(rate, target, tolerance=0.5)


@given(st.sampled_from([20.0, 31.25, 50.0, 100.0, 102.4]), st.integers(1, 80))
def test_resampled_labels_are_the_nearest(rate: float, n_samples: int) -> None:
    labels = np.arange(n_samples)
    found = signals.resample_labels(labels, rate, 50.0)
    assert len(found) == len(signals.resample(np.zeros((n_samples, 1)), rate, 50.0))
    away = np.abs(found / rate - np.arange(len(found)) / 50.0)
    inside = np.arange(len(found)) / 50.0 <= (n_samples - 1) / rate
    assert (away[inside] <= 0.5 / rate + 1e-9).all()


# --- units --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sensor", "unit", "number", "expected"),
    [
        ("acc", "g", 1, 1),
        ("acc", "m/s²", 9.80665, 1),
        ("acc", "m/s^2", 9.80665, 1),
        ("acc", "m/s2", 9.80665, 1),
        ("acc", "mg", 1000, 1),
        ("gyr", "rad/s", 1, 1),
        ("gyr", "dps", 180, np.pi),
        ("gyr", "°/s", 180, np.pi),
        ("gyr", "mdeg/s", 180_000, np.pi),
        ("mag", "uT", 1, 1),
        ("mag", "μT", 1, 1),
        ("mag", "mT", 1, 1000),
        ("mag", "G", 1, 100),
        ("mag", "mG", 10, 1),
        ("mag", "nT", 1000, 1),
    ],
)
def test_conversion(sensor: str, unit: str, number: float, expected: float) -> None:
    assert number * signals.conversion(sensor, unit) == pytest.approx(expected, rel=1e-12)


def test_unknown_sensor_and_unit_name_the_near_one() -> None:
    with pytest.raises(ValueError, match="did you mean deg/s"):
        signals.conversion("gyr", "degs/s")
    with pytest.raises(ValueError, match="did you mean acc"):
        signals.conversion("accel", "g")


@pytest.mark.parametrize(
    ("size", "declared", "message"),
    [
        (9.81, "g", r"looks like m/s²"),
        (1000.0, "g", "looks like mg"),
        (1000.0 / 9.80665, "m/s2", "looks like mg"),
    ],
)
def test_gravity_gives_the_unit_away(size: float, declared: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        signals.check_gravity(np.array([[0.0, size, 0.0]] * 5), declared)


@pytest.mark.parametrize(
    ("size", "usual"), [(1.0, True), (1.6, True), (0.05, False), (3.0, False), (np.nan, False)]
)
def test_gravity_is_flagged_where_it_is_unusual(size: float, usual: bool) -> None:
    assert signals.check_gravity(np.array([[0.0, 0.0, size]] * 5)) is usual
