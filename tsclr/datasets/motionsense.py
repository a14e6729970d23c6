"""MotionSense (phone in the front pocket): one recording per trial and subject."""

from collections.abc import Iterator
from hashlib import sha256
from typing import ClassVar

import numpy as np

from tsclr.datasets.base import Dataset, Folder, parse_numbers, read_file
from tsclr.types import Recording

__all__ = ["MotionSense"]

TRIALS = {
    "dws": (1, 2, 11),
    "ups": (3, 4, 12),
    "wlk": (7, 8, 15),
    "jog": (9, 16),
    "sit": (5, 13),
    "std": (6, 14),
}
COLUMNS = tuple(
    f"{quantity}.{axis}"
    for quantity in ("gravity", "userAcceleration", "rotationRate")
    for axis in "xyz"
)


class MotionSense(Dataset):
    """Six activities of 24 people with a phone in the front pocket of the trousers, 50 Hz.

    The archive splits the acceleration into gravity and user acceleration; here they are added
    up again. As the phone reports it, gravity points down: the sign is opposite to that of HAPT.

    The archive prescribes no windows and no split. The protocol of this package: windows of 128
    samples at stride 64 within a trial, and every fourth subject from number 3 on held out.

    Parameters
    ----------
    root : str, optional
        Folder that holds ``motionsense.zip`` or the unpacked archive; see `Dataset`.

    References
    ----------
    Malekzadeh et al., *Mobile sensor data anonymization*, IoTDI 2019,
    https://doi.org/10.1145/3302505.3310068

    Examples
    --------
    >>> MotionSense.classes
    ('downstairs', 'upstairs', 'walking', 'jogging', 'sitting', 'standing')
    """

    name = "motionsense"
    title = "MotionSense"
    url = "https://github.com/mmalekzadeh/motion-sense/raw/master/data/A_DeviceMotion_data.zip"
    licence = "MIT (licence of the repository that publishes it)"
    citation = "Malekzadeh et al., IoTDI 2019, 10.1145/3302505.3310068"
    archive_names = ("A_DeviceMotion_data",)
    marker = "dws_1/sub_1.csv"
    classes = ("downstairs", "upstairs", "walking", "jogging", "sitting", "standing")
    scored_classes = classes
    sample_rate = 50.0
    test_subjects = ("3", "7", "11", "15", "19", "23")
    facts: ClassVar[dict[str, int]] = {
        "recordings": 360,
        "subjects": 24,
        "rows": 1_412_865,
        "labelled": 1_412_865,
        "bouts": 360,
    }

    def _read(self) -> Iterator[Recording]:
        trials = [(trial, code) for code, numbers in TRIALS.items() for trial in numbers]
        with self.opened() as folder:
            for subject in range(1, 25):
                for trial, code in sorted(trials):
                    yield self._recording(folder, code, trial, str(subject))

    def _recording(self, folder: Folder, code: str, trial: int, subject: str) -> Recording:
        file = folder / f"{code}_{trial}" / f"sub_{subject}.csv"
        content = read_file(file)
        values = parse_numbers(content, str(file), COLUMNS)
        acceleration = values[:, 0:3] + values[:, 3:6]
        return Recording(
            signal=np.hstack([acceleration, values[:, 6:9]]).astype(np.float32),
            sample_rate=self.sample_rate,
            channels=self.channels,
            subject=subject,
            name=f"{code}_{trial}_sub_{subject}",
            labels=np.full(len(values), list(TRIALS).index(code), np.int16),
            classes=self.classes,
            source=str(file),
            source_hash=sha256(content).hexdigest(),
        )
