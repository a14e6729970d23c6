"""The table of recordings of a store: it grows with each recording, and lies on disk as Parquet."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int16

from tsclr import signals
from tsclr.files import read_table, write_table
from tsclr.types import UNITS, UNLABELLED, Recording

FORMAT = 1


@dataclass
class StoreTable:
    """The table of a store while it grows: what the recordings seen so far agree on.

    `channels` are empty until the first recording, `sample_rate`, in Hz, is that of the first if it
    is not given, and `classes` come in the order of first appearance.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    channels: tuple[str, ...] = ()
    sample_rate: float | None = None
    classes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "StoreTable":
        """Read a table that `write` wrote.

        ``FileNotFoundError`` if there is none, ``ValueError`` if it is damaged or of another
        version.
        """
        if not path.exists():
            raise FileNotFoundError(
                f"no store in {path.parent}: write one with `tsclr ingest LOGS --out {path.parent}`"
            )
        rows, header = read_table(path)
        if header.get("format") != FORMAT:
            raise ValueError(
                f"{path} has store format {header.get('format')!r}, this tsclr reads {FORMAT}: "
                "ingest the logs again, or use the version of tsclr that wrote it"
            )
        return cls(rows, tuple(header["channels"]), header["sample_rate"], tuple(header["classes"]))

    def write(self, path: Path) -> None:
        """Write the table in one step."""
        header = {
            "format": FORMAT,
            "channels": self.channels,
            "units": UNITS,
            "sample_rate": self.sample_rate,
            "classes": self.classes,
        }
        write_table(path, self.rows, header)

    def header(self) -> tuple[tuple[str, ...], float, tuple[str, ...]]:
        """Channels, rate and classes, once there is a recording."""
        if self.sample_rate is None or not self.channels:
            raise ValueError("there are no recordings: channels and rate are not known")
        return self.channels, self.sample_rate, self.classes

    @property
    def n_samples(self) -> int:
        """Samples that the rows name."""
        return self.rows[-1]["start"] + self.rows[-1]["length"] if self.rows else 0

    def add(
        self, recording: Recording, reader: str = ""
    ) -> tuple[Float32[np.ndarray, "T C"], Int16[np.ndarray, " T"]]:
        """Append a row for `recording`; give its samples and labels as the store keeps them.

        ``ValueError`` if it has other channels, or no store can hold it (`Recording.check`).
        """
        recording.check()
        self.channels = self.channels or recording.channels
        if recording.channels != self.channels:
            raise ValueError(
                f"{recording.source or recording.name} has channels "
                f"{', '.join(recording.channels)}, the store has {', '.join(self.channels)}: "
                "a store holds one set of channels; map the same ones in every file"
            )
        if self.sample_rate is None:
            self.sample_rate = recording.sample_rate
        rates = recording.sample_rate, self.sample_rate
        signal = signals.resample(recording.signal, *rates)
        labels = self._relabel(recording, *rates, len(signal))
        counts = np.bincount(labels[labels != UNLABELLED], minlength=len(self.classes))
        self.rows.append(
            {
                "name": recording.name,
                "subject": recording.subject,
                "device": recording.device,
                "start": self.n_samples,
                "length": len(signal),
                "start_time": recording.start_time,
                "labels": json.dumps({self.classes[k]: int(n) for k, n in enumerate(counts) if n}),
                "source": recording.source,
                "source_hash": recording.source_hash,
                "reader": reader,
                "repairs": json.dumps(recording.repairs),
            }
        )
        return signal, labels

    def _relabel(
        self, recording: Recording, rate: float, target: float, length: int
    ) -> Int16[np.ndarray, " T"]:
        """Labels of one recording at the rate of the store, as indices into its classes."""
        self.classes = tuple(dict.fromkeys(self.classes + recording.classes))
        if recording.labels is None:
            return np.full(length, UNLABELLED, np.int16)
        # The label -1, for none, picks the last entry.
        index = [self.classes.index(name) for name in recording.classes] + [UNLABELLED]
        labels = signals.resample_labels(recording.labels, rate, target)
        return np.array(index, np.int16)[labels]
