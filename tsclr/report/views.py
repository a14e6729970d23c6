"""A window and two views of it in, plots of the three side by side out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.figure import Figure

from tsclr.report.look import PALETTE, STYLE, WIDTH, short
from tsclr.report.section import Section, Table
from tsclr.types import UNITS, device_sensor, sensor_kind

COLUMNS = ("window", "first view", "second view")


def two_views(
    window: Float[np.ndarray, "C T"],
    first: Float[np.ndarray, "C T"],
    second: Float[np.ndarray, "C T"],
    channels: Sequence[str],
    sample_rate: float,
) -> Section:
    """A window and two views of it as in training, one row per sensor.

    Parameters
    ----------
    window, first, second : (C, T) float
        In the units of `tsclr.types.UNITS`.
    channels : sequence of str
        C names as ``acc_x``; channels with the same name before the last ``_`` share a row.
    sample_rate : float
        Hz.

    Raises
    ------
    ValueError
        If there are not C channel names, the shapes differ, or the rate is not positive.

    Examples
    --------
    >>> window = np.zeros((3, 100))
    >>> section = two_views(window, window, window, ("acc_x", "acc_y", "acc_z"), 50.0)
    >>> section.figure.axes[0].get_ylabel()
    'acc (g)'
    """
    if not sample_rate > 0:
        raise ValueError(f"sample_rate is {sample_rate}; it has to be positive, in Hz")
    panels = {"window": window, "first view": first, "second view": second}
    for name, signal in panels.items():
        if signal.ndim != 2 or signal.shape != window.shape or len(signal) != len(channels):
            raise ValueError(
                f"{name} has shape {signal.shape}, expected ({len(channels)}, T) for channels "
                f"{', '.join(channels)}, with the same T in all three"
            )
    duration = window.shape[1] / sample_rate
    return Section(
        "Two views of one window",
        f"A window of {duration:.3g} s and two random views of it. Training pulls the features of "
        "the two views together, so the encoder learns to ignore what differs between them. Each "
        "row is a sensor on one scale.",
        _figure(panels, channels, sample_rate),
        f"Line charts of {len(channels)} channels over {duration:.3g} s for the window and two "
        "views; the table below has mean and standard deviation of each channel.",
        Table(_moments(panels, channels)),
    )


def _moments(panels: dict[str, np.ndarray], channels: Sequence[str]) -> pd.DataFrame:
    """Mean and SD of each channel in each panel."""
    columns: dict[str, Any] = {"channel": list(channels)}
    columns["unit"] = [UNITS.get(sensor_kind(channel), "") for channel in channels]
    for name, signal in panels.items():
        by_channel = pd.DataFrame(signal.T.astype(float))
        columns[f"{name}, mean"] = by_channel.mean().to_numpy()
        columns[f"{name}, SD"] = by_channel.std(ddof=0).to_numpy()
    return pd.DataFrame(columns)


def group_by_sensor(channels: Sequence[str]) -> dict[str, list[int]]:
    """Name before the last ``_`` → indices of the channels with that name."""
    sensors: dict[str, list[int]] = {}
    for index, channel in enumerate(channels):
        sensors.setdefault(device_sensor(channel), []).append(index)
    return sensors


@rc_context(STYLE)
def _figure(panels: dict[str, np.ndarray], channels: Sequence[str], sample_rate: float) -> Figure:
    """A row for each sensor, a column for the window and each view."""
    sensors = group_by_sensor(channels)
    figure = Figure(figsize=(WIDTH, 1.75 * len(sensors) + 0.6))
    grid = figure.subplots(len(sensors), len(panels), squeeze=False, sharex=True, sharey="row")
    time = np.arange(panels["window"].shape[1]) / sample_rate
    for row, (sensor, indices) in zip(grid, sensors.items(), strict=True):
        for axes, signal in zip(row, panels.values(), strict=True):
            for colour, index in enumerate(indices):
                channel = channels[index]
                axes.plot(time, signal[index], color=PALETTE[colour % 8], label=channel)
            axes.margins(x=0)
        unit = UNITS.get(sensor_kind(channels[indices[0]]), "")
        row[0].set_ylabel(f"{short(sensor)} ({unit})" if unit else short(sensor))
    for axes, name in zip(grid[0], panels, strict=True):
        axes.set_title(name.capitalize())
    for axes in grid[-1]:
        axes.set_xlabel("time (s)")
    _legend(figure, channels, max(sensors.values(), key=len))
    return figure


def _legend(figure: Figure, channels: Sequence[str], indices: list[int]) -> None:
    """One legend for all panels: the ends of the channel names, such as x, y and z."""
    figure.legend(
        figure.axes[0].lines[: len(indices)],
        [short(channels[index].rpartition("_")[2]) for index in indices],
        loc="outside upper right",
        ncols=len(indices),
    )
