"""Raw samples in, regular rate, known units and counted repairs out: pure NumPy functions.

Four modules follow the data: `stamps` (what the clock says), `regular` (gap-free stretches at one
rate), `resampling` (another rate), `units` (g, rad/s, µT).
"""

from tsclr.signals.regular import Regular, Segment, fill_missing, regularise, runs
from tsclr.signals.resampling import Ratio, rational, resample, resample_labels
from tsclr.signals.stamps import (
    Sorted,
    batched,
    check_rate,
    clock,
    pieces,
    sample_rate,
    snap_rate,
    sort_dedupe,
)
from tsclr.signals.units import (
    check_axes,
    check_gravity,
    check_time_unit,
    conversion,
    is_unix,
    time_unit,
    to_nanoseconds,
)

__all__ = [
    "Ratio",
    "Regular",
    "Segment",
    "Sorted",
    "batched",
    "check_axes",
    "check_gravity",
    "check_rate",
    "check_time_unit",
    "clock",
    "conversion",
    "fill_missing",
    "is_unix",
    "pieces",
    "rational",
    "regularise",
    "resample",
    "resample_labels",
    "runs",
    "sample_rate",
    "snap_rate",
    "sort_dedupe",
    "time_unit",
    "to_nanoseconds",
]
