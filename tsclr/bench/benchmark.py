"""A dataset by name in, its store on disk and its labelled windows out."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path

import numpy as np

from tsclr import datasets
from tsclr.bench.cache import cached, read, source_digest
from tsclr.bench.protocols import Protocol
from tsclr.data.identity import canonical_source, shared_recordings, store_hash
from tsclr.data.store import Store
from tsclr.data.windows import Windows, samples
from tsclr.files import digest
from tsclr.specs import nearest, spec_of
from tsclr.types import Recording

SECONDS = 2.56
"""Window length of a store of the user's own, which documents none."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A dataset with other windows, channels or classes than it documents.

    Parameters
    ----------
    name : str
        Name that ``tsclr data list`` shows, or folder of a labelled store.
    window : float, optional
        Length of a window, s; as documented by default.
    stride : float, optional
        Seconds from start to start; half a window by default, where `window` is given.
    channels : list of str, optional
        Use only these channels.
    classes : list of str, optional
        Tell only these classes apart; those that the dataset is scored on by default.
    min_people : int
        Leave out classes of which fewer people have a window: nobody may be left to train on when
        they are tested. The results name what was left out.

    Raises
    ------
    ValueError
        If a list of channels or classes is empty, or names one twice, or `min_people` is below 1.

    Examples
    --------
    >>> Source("motionsense", window=8.0, channels=["acc_x", "acc_y", "acc_z"]).remark
    '8 s, acc_x acc_y acc_z'
    """

    name: str
    window: float | None = None
    stride: float | None = None
    channels: list[str] | None = None
    classes: list[str] | None = None
    min_people: int = 1

    def __post_init__(self) -> None:
        if self.min_people < 1:
            raise ValueError(f"min_people is {self.min_people}, it must be at least 1")
        for kind, names in (("channels", self.channels), ("classes", self.classes)):
            if names == []:
                raise ValueError(
                    f"{self.name} has no {kind}: name some, or leave them out to use all"
                )
        for kind, names in (("channel", self.channels), ("class", self.classes)):
            twice = [name for name, n in Counter(names).items() if n > 1]
            if twice:
                raise ValueError(
                    f"{kind} {twice[0]!r} of {self.name} is named twice: leave one out"
                )

    @property
    def remark(self) -> str:
        """What differs from the documented dataset, as results add it to the name."""
        window = f"{self.window:g} s" if self.window is not None else ""
        stride = f"every {self.stride:g} s" if self.stride is not None else ""
        classes = f"only {' '.join(self.classes)}" if self.classes else ""
        people = f"classes of {self.min_people} people" if self.min_people > 1 else ""
        remarks = f"{window} {stride}".strip(), " ".join(self.channels or []), classes, people
        return ", ".join(filter(None, remarks))


@dataclass(frozen=True)
class Benchmark:
    """A dataset as a suite scores it.

    Parameters
    ----------
    name : str
        Name of the dataset, and what differs from the documented one.
    folder : Path
        The store that it was read into.
    classes : tuple of str
        Classes that are scored.
    test_subjects : tuple of str
        Test subjects that the dataset documents.
    length, stride : int
        Samples of a window, and from the start of one to the next.
    source : str
        `tsclr.data.identity.canonical_source` of what was read, by which a run knows it again.
    left_out : dict of str to int
        Classes that too few people show, and how many do.
    """

    name: str
    folder: Path
    classes: tuple[str, ...]
    test_subjects: tuple[str, ...]
    length: int
    stride: int
    source: str
    left_out: dict[str, int] = field(default_factory=dict)

    @classmethod
    def prepare(cls, source: Source, data: Path, root: str | None = None) -> "Benchmark":
        """Read a dataset into a folder, unless that was done; a store is used where it is.

        Raises
        ------
        KeyError
            If there is no such dataset.
        FileNotFoundError
            If its archive is absent; the message says where to put it and how to fetch it.
        ValueError
            If it has no such channel or class, or the window is no whole number of samples.
        """
        documented = cls._documented(source.name, data, root)
        rate = documented.store.sample_rate
        length, stride = documented.length, documented.stride
        if source.window is not None:
            length = samples(source.window, rate)
            stride = length // 2
        if source.stride is not None:
            stride = samples(source.stride, rate, "stride")
        name = f"{documented.name} ({source.remark})" if source.remark else documented.name
        classes = documented.classes if source.classes is None else tuple(source.classes)
        for label in classes:
            if label not in documented.store.classes:
                hint = nearest(label, documented.store.classes)
                raise ValueError(f"{documented.name} has no class {label!r}: {hint}")
        cut = replace(documented, name=name, classes=classes, length=length, stride=stride)
        cut = cut.with_people(source.min_people)
        if source.channels is None:
            return cut
        folder = data / digest(source_digest(Store), documented.fingerprint, source.channels)
        write_once(folder, partial(documented.store.with_channels, source.channels))
        return replace(cut, folder=folder)

    @classmethod
    def _documented(cls, name: str, data: Path, root: str | None) -> "Benchmark":
        """A store with the default windows, or a dataset with the documented ones."""
        if Path(name).is_dir():
            folder = Path(name).resolve()
            store = Store.open(folder)
            length = round(SECONDS * store.sample_rate)
            return cls(
                folder.name, folder, store.classes, (), length, length // 2, canonical_source(name)
            )
        dataset = datasets.find(name)(root)
        version = digest(source_digest(Store, type(dataset)), dataset.stamp)
        folder = data / f"{canonical_source(name)}-{version}"
        write_once(folder, partial(Store.load, name, root))
        return cls(
            dataset.name,
            folder,
            tuple(dataset.scored_classes),
            tuple(dataset.test_subjects),
            dataset.window,
            dataset.stride,
            canonical_source(name),
        )

    @classmethod
    def combine(
        cls, benchmarks: Sequence["Benchmark"], folder: Path, same: Mapping[str, str]
    ) -> "Benchmark":
        """Several datasets as one: the channels that all have, the classes that all score.

        The rate is the lowest of all, a window lasts as long as the longest.

        Raises
        ------
        ValueError
            If there is no channel, or there are fewer than two classes, that all have, or two of
            them hold the same samples or recordings of the same file.
        """
        shared = [
            [*dict.fromkeys(same.get(name, name) for name in benchmark.classes)]
            for benchmark in benchmarks
        ]
        classes = tuple(name for name in shared[0] if all(name in labels for labels in shared))
        channels = tuple(
            name
            for name in benchmarks[0].store.channels
            if all(name in benchmark.store.channels for benchmark in benchmarks)
        )
        names = " and ".join(benchmark.name for benchmark in benchmarks)
        if not channels:
            raise ValueError(f"{names} have no channel in common")
        if len(classes) < 2:
            raise ValueError(f"{names} share the classes {list(classes)}, at least two are needed")
        _check_apart(benchmarks)
        rate = min(benchmark.store.sample_rate for benchmark in benchmarks)
        recordings = (
            recording
            for benchmark in benchmarks
            for recording in benchmark.recordings(channels, same)
        )
        write_once(folder, lambda: Store.build(recordings, rate))
        length = round(
            max(benchmark.length / benchmark.store.sample_rate for benchmark in benchmarks) * rate
        )
        return cls(
            " + ".join(benchmark.name for benchmark in benchmarks),
            folder,
            classes,
            (),
            length,
            length // 2,
            str(folder),
        )

    def with_people(self, least: int) -> "Benchmark":
        """The dataset without the classes of which fewer people have a window.

        Raises
        ------
        ValueError
            If fewer than two classes are left.
        """
        if least == 1:
            return self
        subjects, labels = self.windows.subjects, self.windows.labels
        people = {
            name: len(set(subjects[labels == label])) for label, name in enumerate(self.classes)
        }
        left_out = {name: n for name, n in people.items() if n < least}
        kept = tuple(name for name in self.classes if name not in left_out)
        counts = ", ".join(f"{name} ({n})" for name, n in left_out.items())
        if len(kept) < 2:
            raise ValueError(
                f"{self.name}: {least} people show {list(kept)} only, at least two classes are "
                f"needed; fewer show {counts}: lower min_people"
            )
        if left_out:
            log.warning("%s: left out what fewer than %d people show: %s", self.name, least, counts)
        return replace(self, classes=kept, left_out=left_out)

    def arranged(self, protocol: Protocol, data: Path) -> "Benchmark":
        """The dataset as a protocol divides it, in a store of its own if recordings change."""
        if not protocol.arranges:
            return self
        identity = self.fingerprint, spec_of(protocol), self.test_subjects
        folder = data / digest(source_digest(type(protocol)), *identity)
        arrange = partial(protocol.arranged, self.store, self.classes, self.test_subjects)
        try:
            write_once(folder, arrange)
        except ValueError as error:
            raise ValueError(f"{self.name}, {protocol.name}: {error}") from error
        return replace(self, folder=folder, source=str(folder))

    def recordings(self, channels: Sequence[str], same: Mapping[str, str]) -> Iterator[Recording]:
        """The recordings with these channels, subjects named after the dataset."""
        store = self.store.with_channels(channels)
        for row in store.recordings.to_dict("records"):
            stretch = slice(row["start"], row["start"] + row["length"])
            yield Recording(
                signal=store.signal[stretch],
                sample_rate=store.sample_rate,
                channels=tuple(channels),
                subject=f"{self.name}/{row['subject']}",
                name=row["name"],
                labels=store.labels[stretch],
                classes=tuple(same.get(name, name) for name in store.classes),
                source=row["source"],
                source_hash=row["source_hash"],
            )

    @cached_property
    def store(self) -> Store:
        """The recordings, mapped."""
        return Store.open(self.folder)

    @cached_property
    def windows(self) -> Windows:
        """Labelled windows of the classes that are scored."""
        return Windows.labelled(self.store, self.length, self.stride, self.classes)

    @property
    def alias(self) -> str:
        """What a pretraining on it records as its source: a public name, never a folder.

        A method gets it, and could open a folder, which holds the labels. A store of the user's own
        goes by its name and the hash that all its cells depend on.
        """
        if Path(self.source).is_dir():
            return f"{self.name}-{self.fingerprint[:12]}"
        return self.source

    def groups(self, protocol: Protocol) -> np.ndarray | None:
        """Group of each window, if the protocol divides windows; None if it divides subjects."""
        return protocol.groups(self.windows.subjects.tolist(), self.test_subjects)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all samples and labels, whose they are, and how windows are cut."""
        return digest(store_hash(self.store), self.classes, self.length, self.stride)


def write_once(folder: Path, make: Callable[[], Store]) -> None:
    """Write a store to a folder named by all that it depends on, unless it is there and whole."""
    note = folder / "contents.json"
    try:
        is_intact = read(note) == {"contents": store_hash(Store.open(folder))}
    except (FileNotFoundError, ValueError):
        is_intact = False
    if note.exists() and not is_intact:
        log.warning("the store in %s is damaged: building it again", folder)
    if not is_intact:
        note.unlink(missing_ok=True)
        make().write(folder)
        cached(note, lambda: {"contents": store_hash(Store.open(folder))})


def _check_apart(benchmarks: Sequence[Benchmark]) -> None:
    """Raise ``ValueError`` if a recording is in two of the datasets, under whatever name."""
    for one, other in combinations(benchmarks, 2):
        for name in shared_recordings(one.store, other.store):
            raise ValueError(
                f"{one.name} and {other.name} hold the same recording ({name!r} in the second), "
                "which would be trained on and tested: leave one of the two out"
            )
