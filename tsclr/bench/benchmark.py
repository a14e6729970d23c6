"""The name of a dataset in, its store on disk, its labelled windows and its protocol out."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tsclr import datasets
from tsclr.store import TABLE, Store
from tsclr.windows import Windows

SECONDS = 2.56
"""Window of a store, which documents none."""


@dataclass(frozen=True)
class Benchmark:
    """A dataset as a suite judges on it.

    Parameters
    ----------
    name : str
        Of the dataset.
    folder : Path
        Store that it was read into.
    classes : tuple of str
        Those scored.
    test_subjects : tuple of str
        As the dataset documents them.
    length, stride : int
        Samples of a window, and from one to the next.
    """

    name: str
    folder: Path
    classes: tuple[str, ...]
    test_subjects: tuple[str, ...]
    length: int
    stride: int

    @classmethod
    def prepare(cls, source: str, folder: Path, root: str | None = None) -> "Benchmark":
        """Read a dataset into a folder, unless that was done; or take a store as it lies.

        Parameters
        ----------
        source : str
            Name of a dataset, as ``tsclr data list`` has it, or folder of a store with labels.
        folder : Path
            Where the store of a dataset goes.
        root : str, optional
            Folder with the archive of the dataset.

        Raises
        ------
        KeyError
            If there is no such dataset.
        FileNotFoundError
            If its archive is absent; the message says where to put it and how to fetch it.
        """
        if Path(source).is_dir():
            store, path = Store.open(Path(source)), Path(source).resolve()
            length = round(SECONDS * store.sample_rate)
            return cls(path.name, path, store.classes, (), length, length // 2)
        dataset = datasets.find(source)(root)
        if not (folder / TABLE).exists():
            Store.load(source, root).write(folder)
        return cls(
            dataset.name, folder, tuple(dataset.scored_classes), tuple(dataset.test_subjects),
            dataset.window, dataset.stride,
        )  # fmt: skip

    @cached_property
    def store(self) -> Store:
        """The recordings, mapped."""
        return Store.open(self.folder)

    @cached_property
    def windows(self) -> Windows:
        """Labelled windows of the classes that are scored."""
        return Windows.labelled(self.store, self.length, self.stride, self.classes)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all samples and labels, whose they are, and how windows are cut."""
        found = hashlib.sha256(self.store.signal.data)
        found.update(self.store.labels.data)
        table = self.store.recordings[["name", "subject", "start", "length"]].to_numpy().tolist()
        geometry = [self.store.channels, self.store.sample_rate, self.store.classes]
        geometry += [self.classes, self.length, self.stride]
        found.update(json.dumps([table, geometry]).encode())
        return found.hexdigest()
