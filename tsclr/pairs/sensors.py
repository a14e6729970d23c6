"""Pairings of sensors: the positive is the same moment seen by another sensor or device."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int

from tsclr.data.windows import Windows
from tsclr.pairs.base import Indices, Pairing, nearest, uniform
from tsclr.types import sensor_kind

__all__ = ["OtherDevice", "OtherSensor"]


class OtherSensor(Pairing):
    """The same moment seen by another sensor: one view shows `first`, the next shows `second`.

    Both views have all channels, those of other sensors are 0, so that one encoder learns from
    either sensor (compare CMC, Tian 2020, § 3, which has an encoder for each).

    Parameters
    ----------
    first, second : str
        Sensors, ``acc``, ``gyr`` or ``mag``. Views take turns.

    Raises
    ------
    ValueError
        If the two are the same; on use, if there are no such channels.

    Examples
    --------
    >>> OtherSensor().visible(["acc_x", "acc_y", "gyr_x"], view=1)
    array([False, False,  True])
    """

    def __init__(self, first: str = "acc", second: str = "gyr") -> None:
        if first == second:
            raise ValueError(f"first and second are both {first!r}: name two sensors")
        self.first = first
        self.second = second

    def partner(
        self, index: Indices, windows: Windows, generator: torch.Generator | None = None
    ) -> Indices:
        """Give `index` back: what differs is the channels."""
        return index

    def visible(self, channels: Sequence[str], view: int) -> Bool[np.ndarray, " C"]:
        """Show the channels of one of the two sensors."""
        sensor = (self.first, self.second)[view % 2]
        shown = np.array([sensor_kind(channel) == sensor for channel in channels])
        if not shown.any():
            raise ValueError(
                f"no channel of the sensor {sensor!r} among {', '.join(channels)}: name two "
                "sensors that are there, as in `--pairing.second mag`"
            )
        return shown


class OtherDevice(Pairing):
    """The same moment on another device that the same subject wears, one of them by chance.

    Both devices are recordings of their own, on a common clock (`Recording.start_time`), with the
    same channels. Windows at whose time no other device recorded have no partner.

    Parameters
    ----------
    tolerance : float
        How far apart the starts of the two windows may lie, s.

    Raises
    ------
    ValueError
        If `tolerance` is negative; on use, if no window has a partner.

    Examples
    --------
    >>> from tsclr.data.store import Store
    >>> from tsclr.types import Recording
    >>> wrist, pocket = (
    ...     Recording(
    ...         signal=np.zeros((100, 1), np.float32), sample_rate=50.0, channels=("acc_x",),
    ...         subject="s1", name=device, device=device, start_time=start,
    ...     )
    ...     for device, start in {"wrist": 10**18, "pocket": 10**18 + 10**9}.items()
    ... )  # the pocket began a second later
    >>> windows = Windows.sliding(Store.build([wrist, pocket]), length=25, stride=25)
    >>> pairing = OtherDevice(tolerance=0.2)
    >>> pairing.usable(windows), pairing.partner(np.array([2, 3]), windows)
    (array([2, 3, 4, 5]), array([4, 5]))
    """

    def __init__(self, tolerance: float = 1.0) -> None:
        if not tolerance >= 0:
            raise ValueError(f"tolerance={tolerance:g} must not be negative")
        self.tolerance = tolerance

    def partner(
        self, index: Indices, windows: Windows, generator: torch.Generator | None = None
    ) -> Indices:
        """Draw one of the simultaneous windows of other devices."""
        position, partner = self._simultaneous(index, windows)
        shuffled = np.argsort(uniform(len(position), generator))
        position, partner = position[shuffled], partner[shuffled]
        # The first of each window is, after shuffling, any of its partners with equal probability.
        paired, first = np.unique(position, return_index=True)
        if len(paired) < len(index):
            raise ValueError(
                f"{len(index) - len(paired)} of {len(index)} windows have no partner on another "
                "device: use the windows that `usable` returns"
            )
        return partner[first]

    def usable(self, windows: Windows) -> Int[np.ndarray, " M"]:
        """Windows at whose time another device of the subject recorded."""
        paired = np.unique(self._simultaneous(np.arange(len(windows)), windows)[0])
        if not len(paired):
            table = windows.store.recordings
            rows = table[table["subject"].isin(windows.subjects.tolist())]
            raise ValueError(
                f"no window of {', '.join(sorted(set(rows['subject'])))} has a partner on another "
                "device: recordings of one subject need different devices (there are "
                f"{', '.join(sorted(set(rows['device'])))}) and start times on a common clock"
            )
        return paired

    def _simultaneous(self, index: Indices, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Places in `index` and windows of other devices that start at the same time."""
        table, rate, rows = windows.store.recordings, windows.store.sample_rate, windows.rows(index)
        first, clock = table["start"].to_numpy(), table["start_time"].to_numpy()
        end = first + table["length"].to_numpy()
        positions, partners = [np.zeros(0, int)], [np.zeros(0, int)]
        for one, other in _worn_together(table, rate, self.tolerance, np.unique(rows)):
            rows_of_one = np.flatnonzero(rows == one)
            # Subtracted as integers: nanoseconds since 1970 have more digits than double precision.
            delay = (clock[one] - clock[other]) * 1e-9 * rate
            aim = windows.starts[index[rows_of_one]] - first[one] + first[other] + delay
            low, high = np.searchsorted(windows.starts, [first[other], end[other]])
            if low < high:
                closest = low + nearest(windows.starts[low:high], aim)
                fits = abs(windows.starts[closest] - aim) <= self.tolerance * rate
                positions.append(rows_of_one[fits])
                partners.append(closest[fits])
        return np.concatenate(positions), np.concatenate(partners)


def _worn_together(
    table: pd.DataFrame, rate: float, tolerance: float, rows: Int[np.ndarray, " R"]
) -> Iterator[tuple[int, int]]:
    """Each of `rows` with the recordings of other devices of the subject at the same time."""
    timed = table.reset_index(drop=True).reset_index(names="row")
    timed = timed.loc[
        # 0 marks a log with relative time only.
        timed["start_time"] != 0, ["row", "subject", "device", "start_time", "length"]
    ]
    timed["end"] = timed["start_time"] + ((timed["length"] / rate + tolerance) * 1e9).astype(int)
    pairs = timed.loc[timed["row"].isin(rows.tolist())].merge(timed, on="subject")
    together = (pairs["start_time_x"] < pairs["end_y"]) & (pairs["start_time_y"] < pairs["end_x"])
    pairs = pairs.loc[together & (pairs["device_x"] != pairs["device_y"])]
    return zip(pairs["row_x"].tolist(), pairs["row_y"].tolist(), strict=True)
