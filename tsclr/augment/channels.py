"""Which channels are the axes of one sensor, and which sensors share a device, by their names.

A name is ``device_sensor_axis`` or ``sensor_axis``: ``wrist_acc_x``, ``gyr_z``.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tsclr.types import device_sensor, sensor_kind

AXES = ("x", "y", "z")
SENSORS = ("acc", "gyr", "mag")
"""What up to nine channels without names are taken for, three axes each."""


class Triad(NamedTuple):
    """The three axes of one sensor."""

    device: str
    """Who carries it; sensors of one device turn together. Empty where there is one device."""
    kind: str
    """``acc``, ``gyr``, ``mag``; empty where it is not known."""
    axes: tuple[int, int, int]
    """Channels of x, y and z."""


def find_triads(names: Sequence[str] | None, n_channels: int) -> list[Triad]:
    """Sensors of which all three axes are there.

    Examples
    --------
    >>> find_triads(["wrist_acc_x", "wrist_acc_y", "wrist_acc_z", "heart_rate"], 4)
    [Triad(device='wrist', kind='acc', axes=(0, 1, 2))]
    >>> find_triads(None, 3)
    [Triad(device='', kind='acc', axes=(0, 1, 2))]
    """
    if names is None:
        if n_channels % 3:
            return []
        kinds = SENSORS if n_channels <= 9 else ("",) * n_channels
        return [Triad("", kinds[i], (3 * i, 3 * i + 1, 3 * i + 2)) for i in range(n_channels // 3)]
    index = {name: i for i, name in enumerate(names)}
    triads = []
    for sensor in dict.fromkeys(name.rpartition("_")[0] for name in names):
        x, y, z = (index.get(f"{sensor}_{axis}") for axis in AXES)
        if x is not None and y is not None and z is not None:
            device, _, kind = sensor.rpartition("_")
            triads.append(Triad(device, kind, (x, y, z)))
    return triads


def number_sensors(names: Sequence[str] | None, n_channels: int) -> list[int]:
    """Number of the sensor that each channel belongs to, from 0.

    Examples
    --------
    >>> number_sensors(["acc_x", "acc_z", "gyr_x"], 3)
    [0, 0, 1]
    >>> number_sensors(None, 4)
    [0, 1, 2, 3]
    """
    if names is None:
        return [c if n_channels % 3 else c // 3 for c in range(n_channels)]
    sensors = [device_sensor(name) for name in names]
    return [list(dict.fromkeys(sensors)).index(sensor) for sensor in sensors]


def find_kinds(names: Sequence[str] | None, n_channels: int) -> list[str]:
    """Kind of the sensor that each channel belongs to: ``acc``, ``gyr``, ``mag`` or another name.

    Examples
    --------
    >>> find_kinds(["gyr_x", "wrist_acc_z"], 2)
    ['gyr', 'acc']
    >>> find_kinds(None, 6)
    ['acc', 'acc', 'acc', 'gyr', 'gyr', 'gyr']
    >>> find_kinds(None, 2)
    ['', '']
    """
    if names is not None:
        return [sensor_kind(name) for name in names]
    kinds = [triad.kind for triad in find_triads(None, n_channels) for _ in triad.axes]
    return kinds or [""] * n_channels
