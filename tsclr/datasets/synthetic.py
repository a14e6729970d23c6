"""The simulated dataset: recordings and raw logs of wearers, made from a seed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tsclr.datasets.base import Dataset
from tsclr.datasets.simulation import ACTIVITIES, Motion, draw_person, measure, move
from tsclr.files import replacing
from tsclr.types import Recording

__all__ = ["Synthetic"]

STANDARD_GRAVITY = 9.80665
EPOCH = 1_704_096_000_000_000_000  # 2024-01-01 08:00 UTC, ns; each subject starts a day later
DAY = 86_400_000_000_000


class Synthetic(Dataset):
    """Simulated wearers of a phone at the waist, seven activities, 50 Hz.

    Subjects differ in placement, cadence, style and sensor bias; bouts of one subject differ in
    posture, pace and strength; within a bout cadence and amplitude drift, and people fidget.
    Transitions between activities are smooth and unlabelled. A subject depends on the seed and
    on its number only, so more subjects do not change the first ones.

    Parameters
    ----------
    root : str, optional
        Not used: nothing is read from disk.
    n_subjects : int
        At least 2; the last quarter are the test subjects.
    minutes : float
        Length of each subject's recording. A subject is held in memory at a time, about 0.5 kB
        a sample while it is simulated.
    seed : int
        Seed of everything.

    Raises
    ------
    ValueError
        If there are fewer than two subjects or less than a tenth of a minute.

    Examples
    --------
    >>> dataset = Synthetic(n_subjects=4, minutes=0.5)
    >>> [recording.signal.shape for recording in dataset.recordings()]
    [(1500, 6), (1500, 6), (1500, 6), (1500, 6)]
    >>> dataset.test_subjects
    ('04',)
    """

    name = "synthetic"
    title = "Simulated activities"
    headcount = "as wished"
    licence = "Apache-2.0"
    citation = "tsclr"
    classes = ACTIVITIES
    scored_classes = classes
    sample_rate = 50.0

    def __init__(
        self, root: str | None = None, n_subjects: int = 12, minutes: float = 10.0, seed: int = 0
    ):
        super().__init__(root)
        if n_subjects < 2 or minutes < 0.1:
            raise ValueError(
                f"n_subjects={n_subjects}, minutes={minutes}: expected at least 2 subjects, one of "
                "them for testing, and 0.1 minutes"
            )
        self.n_subjects = n_subjects
        self.minutes = minutes
        self.seed = seed

    @property
    def test_subjects(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The last quarter of the subjects, one at least."""
        first = self.n_subjects - max(1, self.n_subjects // 4)
        return tuple(_name(index) for index in range(first, self.n_subjects))

    def _read(self) -> Iterator[Recording]:
        for index in range(self.n_subjects):
            yield self._recording(index)

    def motion(self, subject: str) -> Motion:
        """Motion that the recording of a subject was measured from.

        Raises
        ------
        ValueError
            If there is no such subject.
        """
        names = [_name(index) for index in range(self.n_subjects)]
        if subject not in names:
            raise ValueError(f"no subject {subject!r}: expected {names[0]} to {names[-1]}")
        generator = self._generator(names.index(subject))
        return move(draw_person(generator), generator, self._n_samples, self.sample_rate)

    def write_logs(self, folder: Path) -> list[Path]:
        """Write what a logger app would have written: one CSV file per subject.

        Columns ``time`` (UNIX ms, jittered by 5 %), ``ax, ay, az`` (m/s²), ``gx, gy, gz`` (deg/s)
        and ``activity`` (empty where unlabelled). Three rows come twice, and every third file
        lacks some seconds.

        Parameters
        ----------
        folder : Path
            Where to write ``subject01_phone.csv`` and so on; created if missing.

        Returns
        -------
        list of Path
            The files.
        """
        paths = []
        for index, recording in enumerate(self.recordings()):
            paths.append(folder / f"subject{recording.subject}_phone.csv")
            log = _as_log(recording, self._generator(index, 1), with_gap=index % 3 == 2)
            with replacing(paths[-1]) as temporary:
                log.to_csv(temporary, index=False)
        return paths

    @property
    def _n_samples(self) -> int:
        return round(self.minutes * 60 * self.sample_rate)

    def _generator(self, index: int, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, index, *stream])

    def _recording(self, index: int) -> Recording:
        generator = self._generator(index)
        person = draw_person(generator)
        motion = move(person, generator, self._n_samples, self.sample_rate)
        return Recording(
            signal=measure(motion, person, generator, self.sample_rate),
            sample_rate=self.sample_rate,
            channels=self.channels,
            subject=_name(index),
            name=f"subject{_name(index)}",
            device="phone",
            labels=motion.labels,
            classes=self.classes,
            start_time=EPOCH + index * DAY,
        )


def _as_log(recording: Recording, generator: np.random.Generator, with_gap: bool) -> pd.DataFrame:
    """Table of a logger app: jittered stamps, rows that come twice, perhaps a gap."""
    n = len(recording.signal)
    jitter = generator.normal(0, 0.05, n).clip(-0.4, 0.4)  # of a period, so the order stays
    stamps = recording.start_time / 1e6 + (np.arange(n) + jitter) * 1000 / recording.sample_rate
    names = np.array([*recording.classes, ""])  # UNLABELLED, -1, is the last one
    log = pd.DataFrame({"time": stamps.round().astype(np.int64)})
    log[["ax", "ay", "az"]] = (recording.signal[:, :3] * STANDARD_GRAVITY).round(4)
    log[["gx", "gy", "gz"]] = np.rad2deg(recording.signal[:, 3:]).round(3)
    log["activity"] = names[recording.labels]
    rows = np.sort(np.append(np.arange(n), generator.integers(0, n, 3)))
    if with_gap:
        first = int(generator.integers(n // 4, n // 2))
        lost = int(generator.uniform(2, 6) * recording.sample_rate)
        rows = rows[(rows < first) | (rows >= first + lost)]
    return log.iloc[rows]


def _name(index: int) -> str:
    return f"{index + 1:02d}"
