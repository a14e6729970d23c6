"""Windows and a view of each in, plots of both and of their spectra side by side out."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from tsclr.report.look import BASELINE, INK, PALETTE, SOFT, STYLE, WIDTH, short
from tsclr.report.section import Section
from tsclr.report.views import group_by_sensor
from tsclr.types import UNITS, sensor_kind

DEPTH = 1e-3
"""Lowest amplitude that the plot of a spectrum has room for, relative to the largest."""
AXIS, SPECTRA = 1.1, ((BASELINE, 2.2), (INK, 0.9))
"""Width of the lines over time; colour and width of the spectra of window and view."""

LINE = 140
"""Letters in a line of a caption."""
COLUMNS = ((0.75, 2.5), (3.5, 2.5), (6.95, 2.5))
"""Left edge and width of the plots of window, view and spectra, in inches."""
LEGEND, NOTE, TITLE, ROW, GAP, FOOT = 0.35, 0.165, 0.3, 0.95, 0.15, 0.6
"""Heights of the legend, a line of a caption, titles, a sensor, the gap between sensors and the
space below them, in inches. A layout engine would differ in the last digits from call to call."""


@dataclass(frozen=True)
class Example:
    """A window and a view of it, in the units of `tsclr.types.UNITS`.

    `notes` are the lines of the caption: the class of the window, the random values of the view.
    """

    notes: Sequence[str]
    window: Float[np.ndarray, "C T"]
    view: Float[np.ndarray, "C T"]


def view_gallery(
    title: str,
    reading: str,
    examples: Sequence[Example],
    channels: Sequence[str],
    sample_rate: float,
) -> Section:
    """Each window next to its view and the spectra of both, a row for each sensor.

    Examples
    --------
    >>> example = Example(["walking"], np.zeros((3, 100)), np.ones((3, 100)))
    >>> section = view_gallery("Offset", "", [example], ["acc_x", "acc_y", "acc_z"], 50.0)
    >>> section.description
    'Line charts of a window, its view and their spectra. walking'
    """
    captions = " ".join(". ".join(example.notes) for example in examples)
    return Section(
        title,
        reading,
        gallery_figure(examples, channels, sample_rate),
        f"Line charts of a window, its view and their spectra. {captions}",
    )


@rc_context(STYLE)
def gallery_figure(
    examples: Sequence[Example], channels: Sequence[str], sample_rate: float
) -> Figure:
    """The figure of `view_gallery`."""
    sensors = group_by_sensor(channels)
    notes = [_wrapped(example.notes) for example in examples]
    panels = TITLE + len(sensors) * (ROW + GAP) - GAP + FOOT
    height = LEGEND + sum(NOTE * len(lines) + panels for lines in notes)
    figure = Figure(figsize=(WIDTH, height))
    figure.set_layout_engine("none")
    _legend(figure, channels, max(sensors.values(), key=len))
    top = height - LEGEND
    for example, lines in zip(examples, notes, strict=True):
        figure.text(0.008, top / height, "\n".join(lines), va="top", linespacing=1.3, color=SOFT)
        top -= NOTE * len(lines)
        grid = _grid(figure, top - TITLE, len(sensors))
        _plot(grid, example, sensors, channels, sample_rate)
        top -= panels
    return figure


def spectrum(
    signal: Float[np.ndarray, "C T"], sample_rate: float
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Frequencies above 0 and the amplitudes there, the norm over the channels.

    A sine of amplitude a that fits the window a whole number of times has amplitude a. A rotation
    changes no norm, so it leaves the spectrum of a sensor as it is.

    Examples
    --------
    >>> time = np.arange(100) / 50
    >>> frequency, amplitude = spectrum(3 * np.sin(2 * np.pi * 4 * time)[None], 50.0)
    >>> float(frequency[amplitude.argmax()]), round(float(amplitude.max()), 6)
    (4.0, 3.0)
    """
    n_samples = signal.shape[1]
    bins = np.abs(np.fft.rfft(signal.astype(float), axis=1)) * 2 / n_samples
    if n_samples % 2 == 0:
        bins[:, -1] /= 2  # half the sampling rate has no mirror image
    frequency = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    return frequency[1:], np.linalg.norm(bins, axis=0)[1:]


def _wrapped(notes: Sequence[str]) -> list[str]:
    """The caption in lines that fit the width of the figure."""
    shown = (short(note, 4 * LINE) for note in notes)
    return [line for note in shown for line in textwrap.wrap(note, LINE, subsequent_indent="    ")]


def _legend(figure: Figure, channels: Sequence[str], indices: Sequence[int]) -> None:
    """One legend for all examples: axes of the sensors and the two lines of a spectrum."""
    names = [short(channels[index].rpartition("_")[2]) for index in indices]
    colours = [PALETTE[number % len(PALETTE)] for number in range(len(indices))]
    handles = [Line2D([], [], color=colour, linewidth=AXIS) for colour in colours]
    handles += [Line2D([], [], color=colour, linewidth=width) for colour, width in SPECTRA]
    figure.legend(
        handles,
        [*names, "spectrum of the window", "spectrum of the view"],
        loc="upper right",
        ncols=len(handles),
        borderaxespad=0,
    )


def _grid(figure: Figure, top: float, n_rows: int) -> list[list[Axes]]:
    """Axes of window, view and spectra for each sensor, the first from `top` downward."""
    height = figure.get_figheight()
    rows: list[list[Axes]] = []
    for number in range(n_rows):
        bottom = top - ROW - number * (ROW + GAP)
        row = []
        for column, (left, width) in enumerate(COLUMNS):
            frame = (left / WIDTH, bottom / height, width / WIDTH, ROW / height)
            row.append(figure.add_axes(frame, sharex=rows[0][column] if rows else None))
            row[-1].tick_params(labelbottom=number == n_rows - 1)
        row[1].sharey(row[0])
        row[1].tick_params(labelleft=False)
        rows.append(row)
    return rows


def _plot(
    grid: list[list[Axes]],
    example: Example,
    sensors: dict[str, list[int]],
    channels: Sequence[str],
    sample_rate: float,
) -> None:
    """Window, view and spectra of one example, a row for each sensor."""
    for row, (sensor, indices) in zip(grid, sensors.items(), strict=True):
        window, view = example.window[indices], example.view[indices]
        _plot_signal(row[0], window, sample_rate)
        _plot_signal(row[1], view, sample_rate)
        _plot_spectra(row[2], window, view, sample_rate)
        unit = UNITS.get(sensor_kind(channels[indices[0]]), "")
        row[0].set_ylabel(f"{short(sensor, 14)} ({unit})" if unit else short(sensor, 14))
        row[0].yaxis.set_label_coords(-0.2, 0.5)
    for axes, title in zip(grid[0], ("Window", "View", "Spectra"), strict=True):
        axes.set_title(title)
    for axes, label in zip(grid[-1], ("time (s)", "time (s)", "frequency (Hz)"), strict=True):
        axes.set_xlabel(label)


def _plot_signal(axes: Axes, signal: Float[np.ndarray, "C T"], sample_rate: float) -> None:
    """A line for each channel over time."""
    time = np.arange(signal.shape[1]) / sample_rate
    for number, values in enumerate(signal):
        axes.plot(time, values, color=PALETTE[number % len(PALETTE)], linewidth=AXIS)
    axes.margins(x=0)


def _plot_spectra(
    axes: Axes, window: Float[np.ndarray, "C T"], view: Float[np.ndarray, "C T"], sample_rate: float
) -> None:
    """The spectrum of the view over that of the window, on a logarithmic scale."""
    spectra = [spectrum(signal, sample_rate) for signal in (window, view)]
    amplitudes = np.concatenate([amplitude for _, amplitude in spectra])
    lowest, highest = amplitudes.min(), amplitudes.max() or 1.0  # a window may be all zeros
    axes.set_yscale("log", nonpositive="clip")
    # a decade and a half at least, so that a tick lies inside
    axes.set_ylim(min(max(lowest, DEPTH * highest), highest / 30), 1.2 * highest)
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    for (frequency, amplitude), (colour, width) in zip(spectra, SPECTRA, strict=True):
        axes.plot(frequency, amplitude, color=colour, linewidth=width)
    axes.margins(x=0)
