"""Samples of a recording in, a sketch by which the same recording is recognised out.

A hash of a file or of samples changes with the last digit of a number. A sketch does not. It is
made of *landmarks*, groups of consecutive turning points of one smoothed channel: the times between
them and the ratios of the swings, coarsely rounded and hashed::

             turn            turn
              ╱╲              ╱╲
     ╲      ╱    ╲          ╱    ╲        swing: the change of value from turn to turn
       ╲  ╱        ╲      ╱        ╲
        ╲╱           ╲╱
       turn          turn
        |-- time --|-- time -|

Another number format, unit, sample rate or clock hardly moves the turning points of a smooth curve,
and gain, offset and sign of a channel change neither times nor ratios. Landmarks that come again
within a minute or two are left out: strides of regular walking are alike, also between people.

Of all landmarks of a recording, whatever their channel, the sketch keeps those with the smallest
hashes. So two sketches keep the same ones of those that their recordings share, even if one of the
recordings has more channels, or is an excerpt of the other. A sketch holds neither the order nor
the times of its landmarks: no signal can be made from it.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, UInt32, UInt64
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter1d

Sketch = UInt32[np.ndarray, " _"]
"""Hashes of landmarks, ascending and distinct."""

SMOOTHING = 0.08
"""Standard deviation of the Gaussian that smooths a channel, s; it halves the amplitude at 2.3 Hz.

A signal at 20 Hz holds all that passes. A sharper filter would ripple beside every jump, and the
ripples of two recordings are the same.
"""

TRUNCATE = 5.0
"""Standard deviations from its middle to either end of that Gaussian."""

N_SWINGS = 5
"""Consecutive swings in a landmark."""

SECONDS, OCTAVES = 0.02, 0.5
"""What times between turns, and ratios of swings, are rounded to."""

ALIKE_SECONDS, ALIKE_OCTAVES, NEARBY = 0.1, 1.0, 200
"""Landmarks count as alike if they agree when rounded to these, and are left out if both are among
so many consecutive ones."""

SMALLEST_SHARE, SMALLEST = 0.05, 2e-3
"""Smallest swing of a landmark, as a share of its largest, and in g, rad/s or µT: coarse numbers
make and remove smaller ones."""

PER_MINUTE, N_LEAST, N_MOST = 8, 128, 2048
"""Landmarks that a sketch keeps for each minute of the recording; at least and at most in all."""

MIN_SHARED, MIN_SHARE = 8, 0.125
"""Landmarks that sketches of the same recording share: at least so many, and this share."""

CHUNK = 2**20
"""Values that are smoothed at a time."""


class Turns(NamedTuple):
    """Turning points of smoothed channels, channel after channel: an entry for each."""

    channel: Int[np.ndarray, " N"]
    seconds: Float64[np.ndarray, " N"]
    value: Float64[np.ndarray, " N"]


def sketch(signal: Float[np.ndarray, "T C"], sample_rate: float) -> Sketch:
    """The sketch of a recording; empty if it is short or still.

    Examples
    --------
    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=(3000, 3)), axis=0)
    >>> one, other = sketch(walk, 50.0), sketch(np.round(9.81 * walk[500:, :2], 1), 50.0)
    >>> len(one), is_same(one, other), is_same(one, sketch(walk[::-1], 50.0))
    (128, True, False)
    """
    n_kept = int(np.clip(PER_MINUTE * len(signal) / sample_rate / 60, N_LEAST, N_MOST))
    return np.unique(_landmarks(_turns(signal, sample_rate)))[:n_kept]


def is_same(one: Sketch, other: Sketch) -> bool:
    """Whether two sketches are of the same recording, or one of them of an excerpt."""
    n_shared = len(np.intersect1d(one, other, assume_unique=True))
    if n_shared < MIN_SHARED:
        return False
    # Above the largest hash of either, the sketch may have left out what the other kept.
    largest = min(one[-1], other[-1])
    n_comparable = min(np.searchsorted(hashes, largest, "right") for hashes in (one, other))
    return bool(n_shared >= MIN_SHARE * n_comparable)


def same_pairs(ones: Sequence[Sketch], others: Sequence[Sketch]) -> Iterator[tuple[int, int]]:
    """Indices of sketches, one from each side, that are of the same recording.

    Examples
    --------
    >>> walks = np.random.default_rng(0).normal(size=(3, 3000, 3)).cumsum(1)
    >>> sketches = [sketch(walk, 50.0) for walk in walks]
    >>> list(same_pairs(sketches, sketches[::-1]))
    [(0, 2), (1, 1), (2, 0)]
    """
    if not others:
        return
    hashes = np.concatenate(others)
    owner = np.repeat(np.arange(len(others)), list(map(len, others)))
    order = np.argsort(hashes, kind="stable")
    hashes, owner = hashes[order], owner[order]
    for index, one in enumerate(ones):
        first, last = (np.searchsorted(hashes, one, side) for side in ("left", "right"))
        n_equal = last - first
        equal = np.repeat(last - np.cumsum(n_equal), n_equal) + np.arange(n_equal.sum())
        n_shared = np.bincount(owner[equal], minlength=len(others))
        for candidate in np.flatnonzero(n_shared >= MIN_SHARED):
            if is_same(one, others[candidate]):
                yield index, int(candidate)


def to_text(hashes: Sketch) -> str:
    """A sketch as text for JSON and tables.

    Examples
    --------
    >>> to_text(np.array([1, 2], np.uint32)), from_text("AQAAAAIAAAA=")
    ('AQAAAAIAAAA=', array([1, 2], dtype=uint32))
    """
    return base64.b64encode(hashes.astype("<u4").tobytes()).decode()


def from_text(text: str) -> Sketch:
    """The sketch that `to_text` gave this text for.

    Raises
    ------
    ValueError
        If it is the text of no sketch.
    """
    try:
        hashes = np.frombuffer(base64.b64decode(text, validate=True), "<u4").astype(np.uint32)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text!r:.40} is no sketch: {error}") from error
    if (hashes[1:] <= hashes[:-1]).any():
        raise ValueError(f"{text!r:.40} is no sketch: its hashes must ascend")
    return hashes


def _turns(signal: Float[np.ndarray, "T C"], sample_rate: float) -> Turns:
    """Turning points of all channels, except near the ends of the recording."""
    width = SMOOTHING * sample_rate
    margin = max(1, int(TRUNCATE * width + 0.5))
    n_rows = max(1, CHUNK // signal.shape[1])
    chunks = [
        _turns_between(signal, first, min(first + n_rows, len(signal) - margin - 1), width, margin)
        for first in range(margin, len(signal) - margin - 1, n_rows)
    ]
    if not chunks:
        return Turns(np.zeros(0, int), np.zeros(0), np.zeros(0))
    turns = Turns(*map(np.concatenate, zip(*chunks, strict=True)))
    order = np.argsort(turns.channel, kind="stable")
    return Turns(turns.channel[order], turns.seconds[order] / sample_rate, turns.value[order])


def _turns_between(
    signal: Float[np.ndarray, "T C"], first: int, stop: int, width: float, margin: int
) -> Turns:
    """Turning points between two samples, to a small fraction of a sample; times in samples."""
    channels = signal[first - margin : stop + 1 + margin].T.astype(np.float64)
    value, slope = (
        gaussian_filter1d(channels, width, order=order, truncate=TRUNCATE)[:, margin:-margin]
        for order in (0, 1)
    )
    channel, index = np.nonzero(slope[:, :-1] * slope[:, 1:] < 0)
    # Between two samples the curve is the cubic with their values and slopes:
    # y(u) = y0 + d0 u + a u² + b u³, and y'(u) = 0 for one u between 0 and 1.
    y0, y1, d0, d1 = (curve[channel, index + k] for curve in (value, slope) for k in (0, 1))
    a, b = 3 * (y1 - y0) - 2 * d0 - d1, 2 * (y0 - y1) + d0 + d1
    u = -d0 / (a - np.sign(d0) * np.sqrt(np.maximum(a**2 - 3 * b * d0, 0)))
    u = np.clip(u, 0, 1)
    return Turns(channel, first + index + u, y0 + u * (d0 + u * (a + u * b)))


def _landmarks(turns: Turns) -> UInt32[np.ndarray, " N"]:
    """Hashes of the landmarks that turning points form, in their order."""
    n_landmarks = len(turns.channel) - N_SWINGS
    if n_landmarks < 1:
        return np.zeros(0, np.uint32)
    times, swings = (
        sliding_window_view(np.abs(np.diff(values)), N_SWINGS)
        for values in (turns.seconds, turns.value)
    )
    within = turns.channel[N_SWINGS:] == turns.channel[:n_landmarks]
    smallest = np.maximum(SMALLEST, SMALLEST_SHARE * swings.max(1))
    distinct = within & (swings.min(1) >= smallest)
    times, ratios = times[distinct], np.diff(np.log2(swings[distinct]), axis=1)
    rare = ~_comes_again(_hash(times / ALIKE_SECONDS, ratios / ALIKE_OCTAVES))
    hashes = _hash(times[rare] / SECONDS, ratios[rare] / OCTAVES)
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _comes_again(hashes: UInt64[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Which hashes are equal to another one that is at most `NEARBY` places away."""
    order = np.argsort(hashes, kind="stable")
    near = (np.diff(hashes[order]) == 0) & (np.diff(order) <= NEARBY)
    again = np.zeros(len(hashes), bool)
    again[order[1:][near]] = again[order[:-1][near]] = True
    return again


def _hash(
    times: Float64[np.ndarray, "N m"], ratios: Float64[np.ndarray, "N n"]
) -> UInt64[np.ndarray, " N"]:
    """A hash of each row of values, rounded to whole numbers (`splitmix64` over the columns)."""
    columns = np.hstack([np.floor(times), np.round(ratios)]).astype(np.int64).view(np.uint64).T
    mixed = np.zeros(columns.shape[1], np.uint64)
    for column in columns:
        mixed = splitmix64(mixed + column)
    return mixed


def splitmix64(keys: np.ndarray) -> np.ndarray:
    """Spread 64-bit keys evenly: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014).

    Sketches that are published hold its values, so it must stay as it is.

    Examples
    --------
    >>> hex(splitmix64(np.zeros(1, np.uint64))[0])
    '0xe220a8397b1dcdaf'
    """
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
