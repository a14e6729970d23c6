"""Numbers in some unit in, the factor or the check that makes them g, rad/s, µT and ns out."""

import numpy as np
from jaxtyping import Float, Int64, Shaped

from tsclr.specs import nearest

STANDARD_GRAVITY = 9.80665
"""m/s² in one g (CGPM 1901)."""

FACTORS = {
    "acc": {"g": 1.0, "m/s²": 1 / STANDARD_GRAVITY, "mg": 1e-3},
    "gyr": {"rad/s": 1.0, "deg/s": np.pi / 180, "mdeg/s": np.pi / 180_000},
    "mag": {"µT": 1.0, "mT": 1e3, "G": 100.0, "mG": 0.1, "nT": 1e-3},
}
"""What a number in each unit is multiplied with to give the unit of `types.UNITS`."""

ALIASES = {
    "m/s^2": "m/s²",
    "m/s2": "m/s²",
    "m/s/s": "m/s²",
    "ms-2": "m/s²",
    "dps": "deg/s",
    "°/s": "deg/s",
    "mdps": "mdeg/s",
    "m°/s": "mdeg/s",
    "uT": "µT",
    # Greek mu on the left, the micro sign on the right: they look the same.
    "μT": "µT",
    "gauss": "G",
    "Gauss": "G",
    "mGauss": "mG",
}

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Nanoseconds in one of each unit of time."""

UNIX_RANGE = (631_152_000 * 10**9, 4_102_444_800 * 10**9)
"""1990 to 2100: a stamp in between counts as wall-clock time, any other as relative time."""

FURTHEST = 2.0**62
"""Nanoseconds: the difference of two stamps then always fits an int64."""

LAG = 1000
"""Samples over which the step of a log is measured."""

PLAUSIBLE_RATES = (10.0, 1000.0)
"""Hz. Less than a factor of 1000 wide, so at most one unit of time fits."""


def conversion(sensor: str, unit: str) -> float:
    """Factor that turns a number in `unit` into the one unit tsclr uses for `sensor`.

    Parameters
    ----------
    sensor : str
        ``acc``, ``gyr`` or ``mag``.
    unit : str
        acc: g, m/s², mg; gyr: rad/s, deg/s, mdeg/s; mag: µT, mT, G, mG, nT; or a usual way to
        write them (m/s^2, m/s2, dps, °/s, uT, …). Case counts: mG is not MG.

    Raises
    ------
    ValueError
        If sensor or unit is unknown.

    Examples
    --------
    >>> conversion("acc", "mg"), conversion("mag", "uT")
    (0.001, 1.0)
    """
    if sensor not in FACTORS:
        raise ValueError(f"unknown sensor {sensor!r}: {nearest(sensor, FACTORS)}")
    factors = FACTORS[sensor]
    canonical = ALIASES.get(unit, unit)
    if canonical not in factors:
        names = [*factors, *(alias for alias, name in ALIASES.items() if name in factors)]
        raise ValueError(f"unknown unit {unit!r} of {sensor}: {nearest(unit, names)}")
    return float(factors[canonical])


def check_gravity(acc: Float[np.ndarray, "T 3"], unit: str = "g") -> bool:
    """Check that |acc| is near 1 g most of the time, as in any log that holds gravity.

    Parameters
    ----------
    acc : (T, 3) float
        In g, after conversion from `unit`. Non-finite rows do not count.
    unit : str
        The unit that was declared.

    Returns
    -------
    bool
        Whether the median is in 0.5 to 2 g. ``False`` is for the caller to flag: gravity may have
        been removed, or the scale may be wrong.

    Raises
    ------
    ValueError
        If the median is so large that the log must be in another unit.

    Examples
    --------
    >>> check_gravity(np.array([[0.0, 0.0, 1.0]]))
    True
    """
    size = np.sqrt(np.square(acc, dtype=np.float64).sum(axis=1))
    size = size[np.isfinite(size)]
    if not len(size):
        return False
    median = float(np.median(size))
    written = median / conversion("acc", unit)
    for other, factor in FACTORS["acc"].items():
        if median > 2.0 and 0.8 <= written * factor <= 1.25:
            raise ValueError(
                f"acc looks like {other}, not {unit}: the median |acc| is {written:.4g}, gravity "
                f"would be {1 / conversion('acc', unit):.4g} {unit}. Declare acc as {other}"
            )
    return 0.5 <= median <= 2.0


def check_axes(signal: Shaped[np.ndarray, "..."], n_samples: int) -> None:
    """Raise unless `signal` is (T, C) with T = `n_samples`; name the transpose where it helps.

    Raises
    ------
    ValueError
        With both shapes and what to do.

    Examples
    --------
    >>> check_axes(np.zeros((3, 100)), n_samples=100)
    Traceback (most recent call last):
        ...
    ValueError: signal has shape (3, 100), expected (100, C): time and channels are swapped,
    pass signal.T
    """
    if signal.ndim == 2 and signal.shape[0] == n_samples:
        return
    hint = "one row per stamp, one column per channel"
    if signal.ndim == 2 and signal.shape[1] == n_samples:
        hint = "time and channels are swapped, pass signal.T"
    raise ValueError(f"signal has shape {signal.shape}, expected ({n_samples}, C): {hint}")


def time_unit(values: Shaped[np.ndarray, " T"], rate: float | None = None) -> str:
    """Unit of numbers that count time: ``s``, ``ms``, ``us`` or ``ns``.

    With a declared `rate` the unit whose measured rate is nearest to it. Without, the one unit in
    which the log runs at 10 to 1000 Hz; and where all numbers are UNIX time between 1990 and 2100
    in some unit, it must be that one.

    Parameters
    ----------
    values : (T,) int or float
        Time since any moment, in file order, finite.
    rate : float, optional
        Hz.

    Raises
    ------
    ValueError
        If no unit fits or two readings contradict each other; name the unit then.

    Examples
    --------
    >>> time_unit(np.array([0, 20, 40, 60]))
    'ms'
    >>> time_unit(np.array([1657544418.0, 1657544418.02, 1657544418.04]))
    's'
    """
    step = _raw_step(values)
    rates = {unit: 1e9 / (step * scale) for unit, scale in NANOSECONDS.items()}
    if rate is not None:
        # Nearest by ratio, as the units differ by factors.
        return min(rates, key=lambda unit: abs(np.log(rates[unit] / rate)))
    low, high = PLAUSIBLE_RATES
    fitting = [unit for unit, value in rates.items() if low <= value <= high]
    candidates = ", ".join(f"{value:.3g} Hz if {unit}" for unit, value in rates.items())
    if not fitting:
        raise ValueError(
            f"cannot tell the unit of time: {candidates}; {low:g} to {high:g} Hz is expected. "
            f"Name the unit: {', '.join(NANOSECONDS)}"
        )
    ends = float(values.min()), float(values.max())
    unix = [
        unit for unit, scale in NANOSECONDS.items() if all(is_unix(end * scale) for end in ends)
    ]
    if unix and unix != fitting:
        raise ValueError(
            f"cannot tell the unit of time: the numbers are UNIX time if {unix[0]}, but the "
            f"steps between them give {candidates}. Name the unit: {', '.join(NANOSECONDS)}"
        )
    return fitting[0]


def check_time_unit(values: Shaped[np.ndarray, " T"], unit: str) -> None:
    """Raise where numbers that count time make no sense in the declared unit but do in another.

    Parameters
    ----------
    values : (T,) int or float
        Time since any moment, in file order, finite.
    unit : str
        ``s``, ``ms``, ``us`` or ``ns``.

    Raises
    ------
    ValueError
        If the log would run at more than 10 kHz or less than 0.1 Hz.

    Examples
    --------
    >>> check_time_unit(np.array([0.0, 0.02, 0.04]), "ms")
    Traceback (most recent call last):
    ValueError: in ms this log runs at 5e+04 Hz, in s at 50 Hz: declare the unit as s
    """
    step = _raw_step(values)
    rates = {name: 1e9 / (step * scale) for name, scale in NANOSECONDS.items()}
    low, high = PLAUSIBLE_RATES
    others = [name for name, rate in rates.items() if low <= rate <= high]
    if others and not 0.1 <= rates[unit] <= 10_000:
        raise ValueError(
            f"in {unit} this log runs at {rates[unit]:.3g} Hz, in {others[0]} at "
            f"{rates[others[0]]:.3g} Hz: declare the unit as {others[0]}"
        )


def _raw_step(values: Shaped[np.ndarray, " T"]) -> float:
    """Median step over a long lag, in the unit of the numbers."""
    if len(values) < 2:
        raise ValueError(f"{len(values)} stamps: at least 2 are needed to tell the unit of time")
    time = (values - values[0]).astype(np.float64)
    # Short enough that few lags cross a gap; where so many stamps are equal that the median
    # is 0, the whole log tells.
    lag = max(1, min(LAG, len(time) // 8))
    step = float(np.median(np.abs(time[lag:] - time[:-lag]))) / lag
    step = step or float(np.ptp(time)) / (len(time) - 1)
    if step == 0:
        raise ValueError(f"time does not advance: all {len(values)} rows hold {values[0]}")
    return step


def is_unix(nanoseconds: float) -> bool:
    """Whether a stamp lies between the years 1990 and 2100.

    Examples
    --------
    >>> is_unix(1657544418 * 10**9), is_unix(3600 * 10**9)
    (True, False)
    """
    return UNIX_RANGE[0] <= nanoseconds < UNIX_RANGE[1]


def to_nanoseconds(values: Shaped[np.ndarray, " T"], unit: str) -> Int64[np.ndarray, " T"]:
    """Numbers that count time in `unit` as int64 nanoseconds.

    Raises
    ------
    ValueError
        If the unit is unknown, or the result does not fit: the unit is then wrong.

    Examples
    --------
    >>> to_nanoseconds(np.array([0.0, 0.02]), "s")
    array([       0, 20000000])
    """
    if unit not in NANOSECONDS:
        raise ValueError(f"unknown unit of time {unit!r}: {nearest(unit, NANOSECONDS)}")
    largest = float(np.abs(values.astype(np.float64)).max(initial=0.0))
    if largest * NANOSECONDS[unit] >= FURTHEST:
        raise ValueError(f"time {largest:g} {unit} is beyond the year 2116: check the unit of time")
    # Integers stay integers: nanoseconds since 1970 have more digits than double precision.
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.int64) * NANOSECONDS[unit]
    return np.rint(values.astype(np.float64) * NANOSECONDS[unit]).astype(np.int64)
