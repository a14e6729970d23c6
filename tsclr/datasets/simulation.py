"""Simulated motion of a wearer, and what an accelerometer and a gyroscope measure of it.

The phone turns with the body: orientation(t) = heading · posture · swing of the gait · placement.
An accelerometer reads the specific force in the phone's axes, orientation⁻¹ (gravity + motion),
so +1 g upwards at rest; a gyroscope reads how fast the orientation changes, in the same axes.
The distance between phone and joint is neglected.

World axes: x forward at heading 0, y left, z up. Angles are (roll, pitch, yaw) in rad. A component
of the gait is a cosine of the stride phase; two steps are one stride.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int, Int16
from scipy.interpolate import CubicSpline

from tsclr.types import UNLABELLED

ACTIVITIES = ("walking", "upstairs", "downstairs", "running", "sitting", "standing", "lying")

# Components of the gait: their axis (0 forward, 1 lateral, 2 vertical, in g; 3 roll, 4 pitch,
# 5 yaw, in rad) and their frequency as a multiple of the stride rate.
AXIS = np.array([2, 2, 2, 0, 0, 1, 1, 2, 3, 5, 4])
MULTIPLE = np.array([2, 4, 6, 2, 4, 1, 3, 1, 1, 1, 2])
# Amplitudes of an average wearer, one row per activity.
GAIT = np.zeros((len(ACTIVITIES), len(AXIS)))
GAIT[:4] = [
    [0.22, 0.10, 0.05, 0.13, 0.06, 0.08, 0.04, 0.03, 0.05, 0.06, 0.03],
    [0.26, 0.05, 0.02, 0.09, 0.04, 0.09, 0.03, 0.07, 0.09, 0.05, 0.06],
    [0.27, 0.18, 0.12, 0.09, 0.09, 0.09, 0.07, 0.08, 0.06, 0.10, 0.04],
    [0.75, 0.25, 0.12, 0.25, 0.12, 0.15, 0.08, 0.08, 0.09, 0.10, 0.06],
]
# One row per activity. Relative cadence; phase (rad); pitch of the trunk (rad) and its spread over
# bouts; sway and fidgeting (rad); shortest and longest bout (s).
BODY = np.array(
    [
        [1.00, 0.0, 0.00, 0.08, 0.050, 0.10, 12, 35],
        [0.86, 0.9, 0.14, 0.08, 0.060, 0.10, 8, 22],
        [1.05, -0.9, -0.02, 0.08, 0.060, 0.10, 8, 22],
        [1.42, 0.4, 0.12, 0.08, 0.060, 0.10, 10, 25],
        [1.00, 0.0, -0.45, 0.12, 0.008, 0.06, 12, 35],
        [1.00, 0.0, 0.05, 0.08, 0.024, 0.06, 12, 35],
        [1.00, 0.0, -1.50, 0.20, 0.004, 0.06, 12, 35],
    ]
)


class Person(NamedTuple):
    """What stays the same for one wearer; K activities, 11 components of the gait."""

    placement: Float64[np.ndarray, "4 1"]  # from the phone to the trunk
    cadence: Float64[np.ndarray, " K"]  # steps per second
    amplitude: Float64[np.ndarray, "K 11"]  # g or rad
    phase: Float64[np.ndarray, "K 11"]  # rad
    bias: Float64[np.ndarray, " 6"]  # g, rad/s


class _Schedule(NamedTuple):
    """What is done when: N bouts, one more than the T samples need."""

    activity: Int[np.ndarray, " N"]  # of each bout
    bout: Int[np.ndarray, " T"]  # that a sample lies in or comes after
    blend: Float64[np.ndarray, " T"]  # 0 within the bout, to 1 where the next one begins

    def follow(self, values: np.ndarray) -> np.ndarray:
        """Values (…, N) of the bouts, blended in transitions: (…, T)."""
        return values[..., self.bout] + self.blend * np.diff(values)[..., self.bout]

    def turn(self, rotations: Float64[np.ndarray, "4 N"]) -> Float64[np.ndarray, "4 T"]:
        """Rotations of the bouts, turned on the shortest way in transitions (slerp)."""
        ways = _angles(_compose(_inverse(rotations[:, :-1]), rotations[:, 1:]))
        return _compose(rotations[:, self.bout], _rotation(ways[:, self.bout] * self.blend))


class Motion(NamedTuple):
    """The truth behind a recording of T samples.

    Parameters
    ----------
    orientation : (T + 1, 4)
        Quaternions (w, x, y, z) from the phone to the world, the last one a sample after the end.
    force : (T, 3)
        Specific force in the phone's axes, g.
    cadence : (T,)
        Steps per second; without meaning where the wearer rests.
    labels : (T,)
        Activity, `UNLABELLED` in transitions.
    """

    orientation: Float64[np.ndarray, "T+1 4"]
    force: Float64[np.ndarray, "T 3"]
    cadence: Float64[np.ndarray, " T"]
    labels: Int16[np.ndarray, " T"]


def draw_person(generator: np.random.Generator) -> Person:
    """Draw a wearer.

    Examples
    --------
    >>> person = draw_person(np.random.default_rng(0))
    >>> bool(1.6 <= person.cadence[ACTIVITIES.index("walking")] <= 2.1)
    True
    """
    pace = generator.normal(1, 0.04, len(BODY))
    pace[0] = 1  # walking defines the cadence of a person
    strength = np.exp(generator.normal(0, 0.15) + generator.normal(0, 0.1, GAIT.shape))
    return Person(
        placement=_rotation(generator.normal(0, 0.2, (3, 1))),
        cadence=generator.uniform(1.6, 2.1) * BODY[:, 0] * pace,
        amplitude=GAIT * strength,
        phase=BODY[:, 1:2] * MULTIPLE + generator.normal(0, 0.3, GAIT.shape),
        bias=generator.normal(0, 0.01, 6),
    )


def _plan(generator: np.random.Generator, n_samples: int, rate: float) -> _Schedule:
    """Rounds of all activities in random order, until the time is over."""
    n_rounds = int(n_samples / rate / BODY[:, 6].sum()) + 2
    activity = np.concatenate([generator.permutation(len(BODY)) for _ in range(n_rounds)])
    lengths = rate * generator.uniform(BODY[activity, 6], BODY[activity, 7])
    pauses = rate * generator.uniform(1.5, 4.0, len(activity))
    ends = np.cumsum(lengths + pauses)
    time = np.arange(n_samples)
    bout = np.searchsorted(ends, time, side="right")
    progress = np.clip(1 - (ends[bout] - time) / pauses[bout], 0, 1)
    return _Schedule(activity, bout, progress**2 * (3 - 2 * progress))


def _wander(
    generator: np.random.Generator, n_samples: int, period: float, size: int
) -> Float64[np.ndarray, "D T"]:
    """Smooth noise of variance about 1: a spline through a random knot every `period` samples."""
    knots = np.arange(int(n_samples / period) + 3)
    spline = CubicSpline(knots, generator.normal(size=(len(knots), size)))
    return spline(np.arange(n_samples) / period + generator.uniform()).T


def move(person: Person, generator: np.random.Generator, n_samples: int, rate: float) -> Motion:
    """Simulate what a person does for a while."""
    n = n_samples + 1
    plan = _plan(generator, n, rate)
    walks = plan.follow((GAIT[plan.activity, 0] > 0).astype(float))
    cadence, gait = _walk(person, plan, generator, rate)
    body = _compose(_hold(plan, generator, rate), _rotation(gait[3:]))
    local = _compose(body, person.placement)
    shaking = 0.1 * walks * generator.normal(size=(3, n))
    force = _rotate(_inverse(local), gait[:3] + shaking + [[0], [0], [1]])
    turns = np.cumsum(generator.normal(0, 1, len(plan.activity)))
    heading = np.zeros((3, n))
    heading[2] = plan.follow(turns) + 0.25 * walks * _wander(generator, n, 6 * rate, 1)[0]
    orientation = _compose(_rotation(heading), local)
    # A sample that is blended with the next bout belongs to neither.
    labels = np.where(plan.blend > 0, UNLABELLED, plan.activity[plan.bout]).astype(np.int16)
    return Motion(orientation.T, force.T[:-1], cadence[:-1], labels[:-1])


def _hold(
    plan: _Schedule, generator: np.random.Generator, rate: float
) -> Float64[np.ndarray, "4 T"]:
    """Posture, with the small movements around it and the slow drift of the placement."""
    n = len(plan.bout)
    posture = generator.normal(size=(3, len(plan.activity))) * BODY[plan.activity, 3]
    posture[1] += BODY[plan.activity, 2]
    sway = plan.follow(BODY[plan.activity, 4]) * _wander(generator, n, 0.7 * rate, 3)
    # The cube of smooth noise is small most of the time and large now and then.
    fidget = plan.follow(BODY[plan.activity, 5]) * _wander(generator, n, 2 * rate, 3) ** 3
    drift = 0.05 * _wander(generator, n, 90 * rate, 3)
    return _compose(plan.turn(_rotation(posture)), _rotation(sway + 0.26 * fidget + drift))


def _walk(
    person: Person, plan: _Schedule, generator: np.random.Generator, rate: float
) -> tuple[Float64[np.ndarray, " T"], Float64[np.ndarray, "6 T"]]:
    """Cadence, and the acceleration (g) and angle (rad) of the gait on three axes each."""
    n, n_bouts = len(plan.bout), len(plan.activity)
    cadence = plan.follow(person.cadence[plan.activity] * generator.normal(1, 0.04, n_bouts))
    cadence = cadence * (1 + 0.03 * _wander(generator, n, 6 * rate, 1)[0])
    stride = np.exp(1j * np.pi * np.cumsum(cadence) / rate)
    effort = np.exp(generator.normal(0, 0.12, (n_bouts, len(AXIS))))
    phase = person.phase[plan.activity] + generator.normal(0, 0.2, (n_bouts, len(AXIS)))
    amplitude = person.amplitude[plan.activity] * effort * np.exp(1j * phase)
    gait = np.zeros((6, n))
    for k, (axis, multiple) in enumerate(zip(AXIS, MULTIPLE, strict=True)):
        gait[axis] += (plan.follow(amplitude[:, k]) * stride**multiple).real
    return cadence, gait * (1 + 0.25 * _wander(generator, n, 2 * rate, 1))


def measure(
    motion: Motion, person: Person, generator: np.random.Generator, rate: float
) -> Float32[np.ndarray, "T 6"]:
    """What 16-bit sensors of ±8 g and ±2000 deg/s report, with their bias and noise."""
    orientation = motion.orientation.T
    turn = _angles(_compose(_inverse(orientation[:, :-1]), orientation[:, 1:])).T * rate
    noise = generator.normal(size=(len(turn), 6)) * np.repeat([0.004, 0.006], 3)
    step = np.repeat([8.0, np.deg2rad(2000)], 3) / 2**15
    counts = np.round((np.hstack([motion.force, turn]) + person.bias + noise) / step)
    return (np.clip(counts, -(2**15), 2**15 - 1) * step).astype(np.float32)


# Rotations are unit quaternions (w, x, y, z); scipy's take ten times as long to multiply.


def _rotation(angles: Float64[np.ndarray, "3 N"]) -> Float64[np.ndarray, "4 N"]:
    """Turn about the axis `angles` points along, by its length."""
    length = np.linalg.norm(angles, axis=0)
    return np.concatenate([np.cos(length / 2)[None], angles / 2 * np.sinc(length / 2 / np.pi)])


def _angles(rotation: Float64[np.ndarray, "4 N"]) -> Float64[np.ndarray, "3 N"]:
    """Undo `_rotation`, for turns of up to π."""
    w, vector = np.abs(rotation[0]), rotation[1:] * np.where(rotation[0] < 0, -1, 1)
    sine = np.linalg.norm(vector, axis=0)
    return vector * 2 * np.arctan2(sine, w) / np.maximum(sine, np.finfo(float).tiny)


def _inverse(rotation: Float64[np.ndarray, "4 N"]) -> Float64[np.ndarray, "4 N"]:
    return rotation * [[1], [-1], [-1], [-1]]


def _compose(p: Float64[np.ndarray, "4 _"], q: Float64[np.ndarray, "4 _"]) -> np.ndarray:
    """Quaternion product: first `q`, then `p`."""
    (pw, px, py, pz), (qw, qx, qy, qz) = p, q
    return np.stack(
        [
            pw * qw - px * qx - py * qy - pz * qz,
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
        ]
    )


def _rotate(
    rotation: Float64[np.ndarray, "4 N"], vectors: Float64[np.ndarray, "3 N"]
) -> Float64[np.ndarray, "3 N"]:
    w, axis = rotation[0], rotation[1:]
    half = np.cross(axis, vectors, axis=0)
    return vectors + 2 * (w * half + np.cross(axis, half, axis=0))
