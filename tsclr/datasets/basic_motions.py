"""BasicMotions (a watch; ships with aeon): one recording per case, nothing is downloaded."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from tsclr import signals
from tsclr.datasets.base import Dataset
from tsclr.types import Recording

__all__ = ["BasicMotions"]

N_CASES = 40
"""Cases of each part."""


class BasicMotions(Dataset):
    """Four activities of four students with a watch, 80 cases of 10 s at 10 Hz.

    The cases are part of the package aeon: install it with ``pip install 'tsclr[bench]'``. They
    are in its order, ``train_01`` to ``train_40`` and ``test_01`` to ``test_40``, ten of each
    activity in each part.

    **Who wore the watch is not known.** Each student recorded each activity five times, but the
    file does not say which cases are whose. Here a case is its own subject and the test subjects
    are the cases of the official test part. The same student may be on both sides, so a score is
    one for new cases, not for new people.

    The file names no units either. The acceleration is read as m/s² without gravity: its median
    magnitude is 0.56 standing and 16.7 running, its largest 43.6, which no wrist reaches in g.
    Converted it is near 0 g at rest, unlike that of the other datasets. The rotation is read
    as rad/s: its steps of 0.002663 are then 5000/2¹⁵ deg/s, and its largest value of 34.87 is
    1998 deg/s, just inside a range of ±2000 deg/s. A tenth of the samples repeat the one before.

    Parameters
    ----------
    root : str, optional
        Not used: aeon holds the data.

    References
    ----------
    Bagnall et al., *The UEA multivariate time series classification archive, 2018*,
    https://arxiv.org/abs/1811.00075

    Examples
    --------
    >>> BasicMotions.classes
    ('standing', 'running', 'walking', 'badminton')
    >>> BasicMotions.test_subjects[0], len(BasicMotions.test_subjects)
    ('test_01', 40)
    """

    name = "basic_motions"
    title = "BasicMotions (UEA archive)"
    licence = "none stated; aeon, which ships the data, is BSD-3-Clause"
    citation = "Bagnall et al., 2018, arXiv:1811.00075"
    classes = ("standing", "running", "walking", "badminton")
    scored_classes = classes
    sample_rate = 10.0
    window = 100
    stride = 100
    test_subjects = tuple(f"test_{number:02d}" for number in range(1, N_CASES + 1))
    facts: ClassVar[dict[str, int]] = {
        "recordings": 80,
        "subjects": 80,
        "rows": 8_000,
        "labelled": 8_000,
        "bouts": 80,
    }

    def _read(self) -> Iterator[Recording]:
        for split in ("train", "test"):
            cases, labels = _load(split)
            for number, (case, label) in enumerate(zip(cases, labels, strict=True), 1):
                yield self._recording(f"{split}_{number:02d}", case, str(label))

    def _recording(self, name: str, case: Float[np.ndarray, "6 T"], label: str) -> Recording:
        if label not in self.classes:
            raise ValueError(
                f"basic_motions, {name}: label {label!r}, expected one of {', '.join(self.classes)}"
            )
        factors = np.repeat([signals.conversion("acc", "m/s²"), 1.0], 3)
        return Recording(
            signal=(case.T * factors).astype(np.float32),
            sample_rate=self.sample_rate,
            channels=self.channels,
            subject=name,
            name=name,
            labels=np.full(case.shape[1], self.classes.index(label), np.int16),
            classes=self.classes,
            source=f"aeon.datasets.load_basic_motions, {name}",
        )


def _load(split: str) -> tuple[Float[np.ndarray, "N 6 T"], np.ndarray]:
    """Cases and labels of one part, as aeon gives them."""
    try:
        from aeon.datasets import load_basic_motions
    except ImportError as error:
        raise ValueError(
            f"basic_motions is part of the package aeon, which cannot be imported ({error}): "
            "pip install 'tsclr[bench]'"
        ) from error
    cases, labels = load_basic_motions(split=split)[:2]
    return np.asarray(cases), labels
