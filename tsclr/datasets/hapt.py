"""HAPT (UCI 341, raw signals of a phone at the waist): one recording per experiment."""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int16, Int64

from tsclr.datasets.base import Dataset, Folder, parse_numbers, read_file
from tsclr.types import UNLABELLED, Recording

__all__ = ["Hapt"]

COLUMNS = ("experiment", "user", "activity", "start", "end")


class Hapt(Dataset):
    """Smartphone-based recognition of human activities and postural transitions.

    61 experiments of 30 people with a phone at the waist, 50 Hz. Rows of ``labels.txt`` never
    overlap, and where two touch their classes differ: windows of 128 samples at stride 64 from
    the start of each run of one label are exactly the 7,767 + 3,162 official windows.

    `Recording.source_hash` is that of the accelerometer file followed by the gyroscope file.

    The few-label benchmark scores the first six classes (*HAPT-6*). It is the experiment of
    UCI HAR, not its windows, and not its numbers.

    Parameters
    ----------
    root : str, optional
        Folder that holds ``hapt.zip`` or the unpacked archive; see `Dataset`.

    References
    ----------
    Reyes-Ortiz et al., *Transition-aware human activity recognition using smartphones*,
    Neurocomputing 171, 2016, https://doi.org/10.1016/j.neucom.2015.07.085

    Examples
    --------
    >>> Hapt.classes[:3]
    ('walking', 'walking upstairs', 'walking downstairs')
    """

    name = "hapt"
    title = "HAPT (UCI 341)"
    url = (
        "https://archive.ics.uci.edu/static/public/341/"
        "smartphone+based+recognition+of+human+activities+and+postural+transitions.zip"
    )
    licence = "CC BY 4.0 (repository); the README in the archive forbids commercial use"
    citation = "Reyes-Ortiz et al., Neurocomputing 171, 2016, 10.1016/j.neucom.2015.07.085"
    archive_names = (
        "HAPT Data Set",
        "smartphone+based+recognition+of+human+activities+and+postural+transitions",
    )
    marker = "RawData/labels.txt"
    classes = (
        "walking",
        "walking upstairs",
        "walking downstairs",
        "sitting",
        "standing",
        "laying",
        "stand to sit",
        "sit to stand",
        "sit to lie",
        "lie to sit",
        "stand to lie",
        "lie to stand",
    )
    scored_classes = classes[:6]
    sample_rate = 50.0
    test_subjects = ("2", "4", "9", "10", "12", "13", "18", "20", "24")
    facts: ClassVar[dict[str, int]] = {
        "recordings": 61,
        "subjects": 30,
        "rows": 1_122_772,
        "labelled": 815_614,
        "bouts": 1_214,
    }

    def _read(self) -> Iterator[Recording]:
        with self.opened() as folder:
            rows = _read_bouts(folder)
            # Experiments are numbered in the order of the file.
            for experiment, user in dict.fromkeys(map(tuple, rows[:, :2].tolist())):
                stretches = rows[(rows[:, :2] == (experiment, user)).all(axis=1), 2:]
                yield self._recording(folder, f"exp{experiment:02d}_user{user:02d}", stretches)

    def _recording(self, folder: Folder, name: str, bouts: Int64[np.ndarray, "N 3"]) -> Recording:
        file = folder / "RawData" / f"acc_{name}.txt"
        content = read_file(file)
        acceleration = _read_triad(content, str(file))
        gyro_file = folder / "RawData" / f"gyro_{name}.txt"
        gyro_content = read_file(gyro_file)
        rotation = _read_triad(gyro_content, str(gyro_file))
        if len(rotation) != len(acceleration):
            raise ValueError(
                f"{gyro_file}: {len(rotation)} rows, expected the {len(acceleration)} of {file}"
            )
        return Recording(
            signal=np.hstack([acceleration, rotation]),
            sample_rate=self.sample_rate,
            channels=self.channels,
            subject=re.sub(".*user0*", "", name),
            name=name,
            labels=_labels(bouts, len(acceleration), len(self.classes), name),
            classes=self.classes,
            source=str(file),
            source_hash=sha256(content + gyro_content).hexdigest(),
        )


def _read_triad(content: bytes, source: str) -> Float32[np.ndarray, "T 3"]:
    values = parse_numbers(content, source, ("x", "y", "z"), delimiter=" ", header=False)
    return values.astype(np.float32)


def _read_bouts(folder: Folder) -> Int64[np.ndarray, "N 5"]:
    """Rows of ``labels.txt``: experiment, user, class (from 1), first and last sample (from 1)."""
    file = folder / "RawData" / "labels.txt"
    rows = parse_numbers(read_file(file), str(file), COLUMNS, delimiter=" ", header=False)
    return rows.astype(np.int64)


def _labels(
    bouts: Int64[np.ndarray, "N 3"], n_samples: int, n_classes: int, name: str
) -> Int16[np.ndarray, " T"]:
    """Label of each sample; the file counts classes and samples from 1 and includes the last."""
    labels = np.full(n_samples, UNLABELLED, np.int16)
    for label, first, last in bouts.tolist():
        if not (1 <= label <= n_classes and 1 <= first <= last <= n_samples):
            raise ValueError(
                f"labels.txt, {name}: class {label} from sample {first} to {last}; "
                f"expected classes 1 to {n_classes} and samples 1 to {n_samples}"
            )
        labels[first - 1 : last] = label - 1
    return labels
