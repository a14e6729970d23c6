"""Words shared by every layer: axis letters, units, `Recording` and `InputSpec`.

Axis letters, in annotations and einsum alike:

==  =====================================================================
B   windows in a batch
N   windows in a collection
C   channels of a window
T   samples (time steps) of a window or recording
D   features of a representation
S   steps of a feature map (T after striding)
K   classes
==  =====================================================================
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int

UNITS = {"acc": "g", "gyr": "rad/s", "mag": "µT"}
"""The one unit of each sensor inside tsclr; readers convert into it."""

UNLABELLED = -1
"""The label of a sample without a label."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One stretch of regularly sampled signal from one subject and one device.

    Parameters
    ----------
    signal : (T, C) float32
        Samples in the units of `UNITS`, time first.
    sample_rate : float
        Hz.
    channels : tuple of str
        C names, ``acc_x … gyr_z``.
    subject : str
        Who wore the device.
    name : str
        Names the recording within its source, for example ``exp01_user01``.
    device : str
        Which device, where several are worn.
    labels : (T,) int, optional
        Index into `classes` for each sample, `UNLABELLED` where there is none.
    classes : tuple of str
        Class names.
    start_time : int
        Nanoseconds since the UNIX epoch, 0 where the log has relative time only.
    source : str
        The file it came from.
    source_hash : str
        SHA-256 of that file, empty where there is no file.
    repairs : dict of str to int
        What had to be repaired, with counts of samples or occurrences.

    Raises
    ------
    ValueError
        If the signal is not (T, C), or there are more or fewer labels than samples.

    Examples
    --------
    >>> Recording(
    ...     signal=np.zeros((3, 500), np.float32),
    ...     sample_rate=50.0,
    ...     channels=("acc_x", "acc_y", "acc_z"),
    ...     subject="s1",
    ...     name="walk",
    ... )
    Traceback (most recent call last):
    ValueError: recording 'walk': signal has shape (3, 500), expected (T, 3)...
    """

    signal: Float32[np.ndarray, "T C"]
    sample_rate: float
    channels: tuple[str, ...]
    subject: str
    name: str
    device: str = ""
    labels: Int[np.ndarray, " T"] | None = None
    classes: tuple[str, ...] = ()
    start_time: int = 0
    source: str = ""
    source_hash: str = ""
    repairs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.signal.ndim != 2 or self.signal.shape[1] != len(self.channels):
            raise ValueError(
                f"recording {self.name!r}: signal has shape {self.signal.shape}, expected "
                f"(T, {len(self.channels)}) for channels {', '.join(self.channels)}; "
                "time comes first, transpose the array if it is (C, T)"
            )
        if self.labels is not None and len(self.labels) != len(self.signal):
            raise ValueError(
                f"recording {self.name!r}: {len(self.labels)} labels for {len(self.signal)} samples"
            )

    def check(self) -> None:
        """Raise ``ValueError`` unless a store can hold it.

        It has samples, all of them finite, and its labels are indices into its classes.

        Examples
        --------
        >>> signal = np.full((5, 1), np.nan, np.float32)
        >>> Recording(
        ...     signal=signal, sample_rate=50.0, channels=("acc_x",), subject="1", name="a"
        ... ).check()
        Traceback (most recent call last):
        ValueError: recording 'a': 5 of 5 samples are not finite: fill or cut them before
        """
        if not len(self.signal):
            raise ValueError(f"recording {self.name!r} has no samples: leave it out")
        broken = np.count_nonzero(~np.isfinite(self.signal).all(axis=1))
        if broken:
            raise ValueError(
                f"recording {self.name!r}: {broken} of {len(self.signal)} samples are not finite: "
                "fill or cut them before"
            )
        labels = np.zeros(0, int) if self.labels is None else self.labels
        wrong = labels[(labels < UNLABELLED) | (labels >= len(self.classes))]
        if len(wrong):
            raise ValueError(
                f"recording {self.name!r}: label {wrong[0]} is outside its {len(self.classes)} "
                f"classes: allowed are 0 to {len(self.classes) - 1}, and {UNLABELLED} for no label"
            )


@dataclass(frozen=True)
class InputSpec:
    """What an encoder accepts: carried by its checkpoint, checked wherever windows come in.

    Parameters
    ----------
    channels : tuple of str
        Channel names in order; the prefix before ``_`` names the sensor and so the unit.
    sample_rate : float
        Hz.
    length : int
        Samples per window.

    Examples
    --------
    >>> InputSpec(("acc_x", "acc_y", "acc_z"), 50.0, 128).units
    ('g', 'g', 'g')
    """

    channels: tuple[str, ...]
    sample_rate: float
    length: int

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each channel."""
        return tuple(UNITS.get(sensor_kind(channel), "") for channel in self.channels)

    @classmethod
    def from_dict(cls, values: dict) -> "InputSpec":
        """Rebuild from the JSON of a checkpoint.

        Raises
        ------
        ValueError
            If the units are not those of this tsclr.

        Examples
        --------
        >>> InputSpec.from_dict(
        ...     {"channels": ["acc_x"], "sample_rate": 50.0, "length": 128, "units": ["g"]}
        ... )
        InputSpec(channels=('acc_x',), sample_rate=50.0, length=128)
        """
        spec = cls(tuple(values["channels"]), values["sample_rate"], values["length"])
        if tuple(values["units"]) != spec.units:
            raise ValueError(
                f"the checkpoint was trained on {values['units']}, this tsclr reads {spec.units}: "
                "use the version of tsclr that wrote it, or pretrain again"
            )
        return spec

    def check_stream(self, channels: tuple[str, ...], sample_rate: float) -> None:
        """Raise ``ValueError`` unless a stream has these channels, in this order, at this rate.

        Examples
        --------
        >>> InputSpec(("acc_x",), 50.0, 128).check_stream(("acc_x",), 100.0)
        Traceback (most recent call last):
        ValueError: the data have 100 Hz, the encoder was trained at 50 Hz: ingest...
        """
        if channels != self.channels:
            raise ValueError(
                f"the data have channels {', '.join(channels)}, the encoder was trained on "
                f"{', '.join(self.channels)}: ingest the logs again into another store, with those "
                "channels in this order (`tsclr ingest --columns`)"
            )
        if sample_rate != self.sample_rate:
            raise ValueError(
                f"the data have {sample_rate:g} Hz, the encoder was trained at "
                f"{self.sample_rate:g} Hz: ingest the logs again into another store, with --rate "
                f"{self.sample_rate:g}"
            )

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` unless `shape` is (N, C, length) for this input.

        Examples
        --------
        >>> InputSpec(("acc_x", "acc_y", "acc_z"), 50.0, 128).check((10, 128, 3))
        Traceback (most recent call last):
        ValueError: windows have shape (10, 128, 3), expected (N, 3, 128): time and channels...
        """
        n_channels = len(self.channels)
        if len(shape) == 3 and shape[1:] == (n_channels, self.length):
            return
        expected = f"(N, {n_channels}, {self.length})"
        hint = f"channels {', '.join(self.channels)} at {self.sample_rate:g} Hz"
        if len(shape) == 3 and shape[1:] == (self.length, n_channels):
            hint = "time and channels are swapped: pass X.transpose(0, 2, 1)"
        elif len(shape) == 2:
            hint = "a single window needs a leading axis: pass X[None]"
        raise ValueError(f"windows have shape {tuple(shape)}, expected {expected}: {hint}")


def device_sensor(channel: str) -> str:
    """What the axes of one sensor share: ``wrist_acc`` of ``wrist_acc_x``; all of a single word.

    Examples
    --------
    >>> device_sensor("wrist_acc_x"), device_sensor("pulse")
    ('wrist_acc', 'pulse')
    """
    return channel.rpartition("_")[0] or channel


def sensor_kind(channel: str) -> str:
    """Sensor of a channel name: ``acc`` of ``acc_x`` and of ``wrist_acc_x``.

    Examples
    --------
    >>> sensor_kind("wrist_acc_x")
    'acc'
    """
    words = channel.split("_")
    return words[-2] if len(words) > 1 else channel
