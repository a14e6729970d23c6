"""Names of a file's columns in, the column of each channel out."""

import re
from collections import Counter

from tsclr.specs import nearest
from tsclr.types import UNITS

NUMBER = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?")
AXES = ("x", "y", "z")
CHANNEL = re.compile(rf"(?:(?P<device>.+)_)?(?P<sensor>{'|'.join(UNITS)})_(?P<axis>[xyz])")


def match_column(name: str, names: list[str]) -> str:
    """Column called `name`, blanks around it aside; ``ValueError`` if there is none or several.

    Examples
    --------
    >>> match_column("ax", ["time", " ax"])
    ' ax'
    """
    matches = [column for column in names if column.strip() == name.strip()]
    if not matches:
        raise ValueError(f"no column {name!r}: {nearest(name, names[:50])}{_hint(names)}")
    if len(matches) > 1:
        raise ValueError(f"{len(matches)} columns are called {name!r}: rename all but one")
    return matches[0]


def match_channels(columns: dict[str, str] | None, names: list[str]) -> dict[str, str]:
    """Column of each channel, in the order device, acc gyr mag, x y z.

    ``ValueError`` for an unknown channel, a missing or double column, or a triad that is not whole.

    Examples
    --------
    >>> match_channels(None, ["time", "Acc_X", "Acc_Y", "Acc_Z"])
    {'acc_x': 'Acc_X', 'acc_y': 'Acc_Y', 'acc_z': 'Acc_Z'}
    """
    if columns:
        mapping = [(channel, match_column(column, names)) for channel, column in columns.items()]
    else:
        lower = [(name.strip().lower(), name) for name in names]
        mapping = [(channel, name) for channel, name in lower if CHANNEL.fullmatch(channel)]
    if not mapping or (not columns and _hint(names)):
        raise ValueError(
            "no column has the name of a channel (acc_x, gyr_z, …): map them with columns, for "
            f"example {{acc_x: {names[0]}}}. Columns: {_listed(names)}{_hint(names)}"
        )
    _check_twice(mapping)
    column_of = dict(mapping)
    return {channel: column_of[channel] for channel in _in_order(list(column_of))}


def _check_twice(mapping: list[tuple[str, str]]) -> None:
    """Each channel has one column and each column is one channel."""
    for kind, values in zip(("channel", "column"), zip(*mapping, strict=True), strict=True):
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            raise ValueError(f"{kind} {twice[0]!r} appears twice: rename or map one of them")


def _in_order(channels: list[str]) -> list[str]:
    """Whole triads in the order device, sensor, axis; devices as they first appear."""
    triads: dict[str, dict[str, list[str]]] = {}
    for channel in channels:
        match = CHANNEL.fullmatch(channel)
        if match is None:
            raise ValueError(f"unknown channel {channel!r}: {nearest(channel, _usual())}")
        sensors = triads.setdefault(match["device"] or "", {})
        sensors.setdefault(match["sensor"], []).append(match["axis"])
    ordered = []
    for device, sensors in triads.items():
        for sensor in sorted(sensors, key=list(UNITS).index):
            name = f"{device}_{sensor}" if device else sensor
            if len(sensors[sensor]) < len(AXES):
                raise ValueError(
                    f"{name} has only {', '.join(sorted(sensors[sensor]))} of x, y, z: "
                    "map the missing axes or none of them"
                )
            ordered += [f"{name}_{axis}" for axis in AXES]
    return ordered


def _usual() -> list[str]:
    """Channel names without a device."""
    return [f"{sensor}_{axis}" for sensor in UNITS for axis in AXES]


def _listed(names: list[str]) -> str:
    """The first names, for a message."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _hint(names: list[str]) -> str:
    """What probably went wrong, judged by the header."""
    if len(names) == 1:
        return ". There is one column only: is the delimiter right?"
    if all(NUMBER.fullmatch(name.strip()) for name in names[1:]):
        return ". The header holds numbers: put names into the first row, or transpose the table"
    return ""
