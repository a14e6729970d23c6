"""The base class of the datasets, finding one by name, and the check of what it reads."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import pooch

from tsclr.datasets import archive
from tsclr.datasets.archive import Folder, parse_numbers, read_file
from tsclr.specs import nearest, subclasses
from tsclr.types import UNLABELLED, Recording

__all__ = ["Dataset", "Folder", "checked", "find", "parse_numbers", "read_file"]

FACTS = ("recordings", "subjects", "rows", "labelled", "bouts")


class Dataset(ABC):
    """A benchmark: its facts as class attributes, its recordings from an archive.

    Parameters
    ----------
    root : str, optional
        Folder that holds the archive or the unpacked folder, or the archive itself. By default
        the environment variable ``TSCLR_DATA``, else the cache folder that downloads go to.

    Attributes
    ----------
    name : str
        What the command line calls it; also the name of its zip file.
    title, licence, citation : str
        For people.
    url, sha256 : str or None
        Where the archive is fetched and its published hash. No URL: nothing to fetch.
    archive_names : tuple of str
        Names of the zip file without ``.zip``, official ones included.
    marker : str
        A file that shows where in the archive the data begin.
    classes : tuple of str
        Names of all labels; a label is an index into them.
    scored_classes : tuple of str
        Those that the few-label benchmark scores.
    channels : tuple of str
        Names of the C channels.
    sample_rate : float
        Hz.
    window, stride : int
        Samples, of the labelled protocol.
    test_subjects : tuple of str
        Who is held out. Read it from an object: it may depend on the constructor's arguments.
    facts : mapping of str to int
        What must be counted after reading everything: ``recordings``, ``subjects``, ``rows``,
        ``labelled`` (rows) and ``bouts`` (runs of one label).
    headcount : str
        How many there are, for people to read, where the facts do not say.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    url: ClassVar[str | None] = None
    sha256: ClassVar[str | None] = None
    licence: ClassVar[str]
    citation: ClassVar[str]
    archive_names: ClassVar[tuple[str, ...]] = ()
    marker: ClassVar[str] = ""
    classes: ClassVar[tuple[str, ...]]
    scored_classes: ClassVar[tuple[str, ...]]
    channels: ClassVar[tuple[str, ...]] = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
    sample_rate: ClassVar[float]
    window: ClassVar[int] = 128
    stride: ClassVar[int] = 64
    test_subjects: tuple[str, ...]
    facts: ClassVar[dict[str, int]] = {}
    headcount: ClassVar[str] = ""

    def __init__(self, root: str | None = None):
        self.root = root

    @property
    def folder(self) -> Path:
        """Where the archive is looked for and downloaded to."""
        return Path(self.root or os.environ.get("TSCLR_DATA") or pooch.os_cache("tsclr"))

    @property
    def stamp(self) -> list[int]:
        """Size and time of the archive: whoever puts another one there changes them.

        Empty where the data are unpacked or need no archive.
        """
        file = archive.zip_file(self.folder, (self.name, *self.archive_names))
        return [file.stat().st_size, file.stat().st_mtime_ns] if file else []

    def recordings(self) -> Iterator[Recording]:
        """Read everything, in an order that never changes, and check the facts at the end.

        Yields
        ------
        Recording
            One gap-free stretch of one subject.

        Raises
        ------
        FileNotFoundError
            If there is no archive; the message says where it was looked for and what helps.
        ValueError
            If a file is damaged or missing, or the counts differ from the facts.
        """
        return checked(self._read(), self.facts, self.name)

    @abstractmethod
    def _read(self) -> Iterator[Recording]:
        """Read the recordings, without a check of the facts."""

    def fetch(self) -> Path:
        """Download the archive unless it is there, and check its hash.

        Raises
        ------
        ValueError
            If there is nothing to download, or what came has another hash than expected.
        OSError
            If the network or the disk fails.
        """
        if self.url is None:
            raise ValueError(f"{self.name} has no archive to fetch: it is read without one")
        path = self.folder / f"{self.name}.zip"
        archive.download(self.url, path, self.sha256, self.title)
        return path

    @contextmanager
    def opened(self) -> Iterator[Folder]:
        """Open the archive or the unpacked folder where the data begin.

        Yields
        ------
        Folder
            The folder that `marker` is relative to.

        Raises
        ------
        FileNotFoundError
            If nothing is found below `folder`; the message says what helps.
        ValueError
            If a zip file is damaged, is not what was downloaded, or holds something else.
        """
        try:
            source = archive.opened(self.folder, (self.name, *self.archive_names), self.marker)
            with source as folder:
                yield folder
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"no {self.name} archive: {error}. Set TSCLR_DATA to the folder that holds it, "
                f"or run `tsclr data fetch {self.name}`"
            ) from error


def find(name: str, folders: Iterable[str] = ()) -> type[Dataset]:
    """Class of the dataset called `name`, in any case.

    Parameters
    ----------
    name : str
        As in `Dataset.name`.
    folders : iterable of str
        Folders of stores that may have been meant, for the message.

    Raises
    ------
    KeyError
        If there is none; the message suggests the near one.

    Examples
    --------
    >>> from tsclr import datasets
    >>> datasets.find("MotionSense").sample_rate
    50.0
    """
    datasets = {dataset.name: dataset for dataset in subclasses(Dataset).values()}
    if name.lower() not in datasets:
        hint = nearest(name, [*datasets, *folders])
        raise KeyError(f"no folder of a store and no dataset is called {name!r}: {hint}")
    return datasets[name.lower()]


def checked(
    recordings: Iterable[Recording], facts: Mapping[str, int], name: str
) -> Iterator[Recording]:
    """Pass recordings on, count them, and compare the counts with the facts at the end.

    ``ValueError`` if a count differs, with the name of the dataset.

    Examples
    --------
    >>> signal = np.zeros((5, 1), np.float32)
    >>> still = Recording(signal=signal, sample_rate=50.0, channels=("acc_x",), subject="1",
    ...                   name="a", labels=np.array([0, 0, -1, 1, 1]))
    >>> len(list(checked([still], {"rows": 5, "labelled": 4, "bouts": 2}, "demo")))
    1
    """
    counts: dict[str, int] = dict.fromkeys(FACTS, 0)
    subjects = set()
    for recording in recordings:
        labels = np.zeros(0, int) if recording.labels is None else recording.labels
        labelled = labels != UNLABELLED
        begins = np.diff(labels, prepend=UNLABELLED) != 0
        counts["recordings"] += 1
        counts["rows"] += len(recording.signal)
        counts["labelled"] += int(labelled.sum())
        counts["bouts"] += int((labelled & begins).sum())
        subjects.add(recording.subject)
        yield recording
    counts["subjects"] = len(subjects)
    wrong = [
        f"{counts[what]} {what}, expected {facts[what]}"
        for what in facts
        if counts[what] != facts[what]
    ]
    if wrong:
        raise ValueError(f"{name}: the archive is not the official one: {'; '.join(wrong)}")
