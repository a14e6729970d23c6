"""A store in, windows out: a table of starts over the flat array; a batch is one gather.

Geometry, for windows of `length` samples every `stride` samples over one gap-free stretch::

    stretch   |------------------------------------------|
    window 0  |=========|
    window 1       |=========|                              start 1 = start 0 + stride
    window 2            |=========|
    …                                     |=========|       the last one that fits whole

Pretraining windows (`sliding`) know stretches only. Labelled windows (`labelled`) start anew at
each change of label and never contain one.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch.utils.data import Dataset

from tsclr.data.store import Store
from tsclr.specs import comma_list, nearest
from tsclr.types import UNLABELLED, InputSpec

KEPT_BYTES = 256 * 2**20
"""A mapped store up to this size stays mapped; of a larger one pages are given back."""

RELEASE_EVERY = 64
"""Windows between two releases: the kernel may map 2 MiB of the file around each."""


class Windows(Dataset):
    """Windows of one length over a store.

    Parameters
    ----------
    store : Store
        Where the samples lie.
    length : int
        Samples per window.
    starts : (N,) int
        First sample of each window in the flat array, ascending.
    labels : (N,) int, optional
        Class of each window; by default none has one.

    Raises
    ------
    ValueError
        If the starts are not ascending: pairs and the audit search among them.

    Examples
    --------
    >>> from tsclr.types import Recording
    >>> walk = Recording(
    ...     signal=np.zeros((1000, 6), np.float32),
    ...     sample_rate=50.0,
    ...     channels=("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z"),
    ...     subject="s1",
    ...     name="walk",
    ...     labels=np.repeat([0, -1, 1], [400, 200, 400]),
    ...     classes=("slow", "fast"),
    ... )
    >>> windows = Windows.sliding(Store.build([walk]), length=128, stride=64)
    >>> len(windows), windows.take([0, 5, 7]).shape
    (14, torch.Size([3, 6, 128]))
    >>> Windows.labelled(windows.store, length=128, stride=128).labels
    array([0, 0, 0, 1, 1, 1])
    """

    def __init__(
        self,
        store: Store,
        length: int,
        starts: Int[np.ndarray, " N"],
        labels: Int[np.ndarray, " N"] | None = None,
    ) -> None:
        if (np.diff(starts) < 0).any():
            raise ValueError("the starts of windows must be ascending: sort them, and the labels")
        self.store, self.length, self.starts = store, length, starts
        # Broadcast: takes no memory for millions of windows.
        self.labels = np.broadcast_to(UNLABELLED, len(starts)) if labels is None else labels
        # At every sample, also across the borders of recordings: `starts` keeps within them.
        self._view = np.lib.stride_tricks.sliding_window_view(store.signal, length, axis=0)

    @classmethod
    def sliding(
        cls, store: Store, length: int, stride: int, subjects: Sequence[str] | None = None
    ) -> "Windows":
        """Windows over the whole streams, labelled or not: what pretraining sees.

        Parameters
        ----------
        store : Store
            Where the samples lie.
        length, stride : int
            Samples.
        subjects : sequence of str, optional
            Whose streams; everybody's by default.

        Raises
        ------
        ValueError
            If the window is longer than every recording, or a subject is unknown.
        """
        table = store.recordings
        if subjects is not None:
            for name in subjects:
                if name not in store.subjects:
                    raise ValueError(f"no subject {name!r}: {nearest(name, store.subjects)}")
            table = table.loc[table["subject"].isin(list(subjects))]
        first, lengths = table["start"].to_numpy(), table["length"].to_numpy()
        starts, _ = _starts(first, lengths, length, stride, store.sample_rate)
        return cls(store, length, starts)

    @classmethod
    def labelled(
        cls, store: Store, length: int, stride: int, classes: Sequence[str] | None = None
    ) -> "Windows":
        """Windows that lie within one bout of one class, from the start of each bout.

        With 128 and 64 samples on HAPT these are its official windows.

        Parameters
        ----------
        store : Store
            A store with labels.
        length, stride : int
            Samples.
        classes : sequence of str, optional
            Keep windows of these only; `labels` then index into this sequence.

        Raises
        ------
        ValueError
            If nothing is labelled, a class is unknown, or the window is longer than every bout.
        """
        first, lengths, labels = _bouts(store)
        if not len(first):
            raise ValueError(
                "the store has no labels: name the label column at `tsclr ingest --label`"
            )
        index = _class_index(store, classes)
        kept = index[labels] != UNLABELLED
        first, lengths, labels = first[kept], lengths[kept], index[labels[kept]]
        starts, bout = _starts(first, lengths, length, stride, store.sample_rate)
        return cls(store, length, starts, labels[bout])

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Float[torch.Tensor, "C T"]:
        return self.take([index])[0]

    def take(
        self, indices: Sequence[int] | Int[np.ndarray, " B"] | Int[torch.Tensor, " B"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Gather windows by number, as one tensor.

        Parameters
        ----------
        indices : sequence of int
            B window numbers; negative ones count from the end.

        Raises
        ------
        IndexError
            If there is no such window.
        """
        starts = self.starts[np.asarray(indices)]
        if not self.store.maps or self.store.signal.nbytes <= KEPT_BYTES:
            # NumPy copies window by window, time first; what follows is faster with time last.
            return torch.from_numpy(self._view[starts]).contiguous()
        batch = np.empty((len(starts), *self._view.shape[1:]), np.float32)
        for low in range(0, len(starts), RELEASE_EVERY):
            batch[low : low + RELEASE_EVERY] = self._view[starts[low : low + RELEASE_EVERY]]
            self.store.release()
        return torch.from_numpy(batch)

    __getitems__ = take
    """The name by which torch's DataLoader asks for a batch."""

    @property
    def input_spec(self) -> InputSpec:
        """What an encoder of these windows accepts."""
        return InputSpec(self.store.channels, self.store.sample_rate, self.length)

    def rows(self, indices: Int[np.ndarray, " B"] | slice = slice(None)) -> np.ndarray:
        """Row of windows in the table of recordings."""
        first = self.store.recordings["start"].to_numpy()
        return np.searchsorted(first, self.starts[indices], "right") - 1

    def stream_labels(self, indices: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        """Class of windows whose samples are all of one class, -1 for all others.

        Parameters
        ----------
        indices : (B,) int
            Windows, also of a sliding kind, which has no `labels`.
        """
        samples = self.store.labels[self.starts[indices][:, None] + np.arange(self.length)]
        pure = (samples == samples[:, :1]).all(1)
        return np.where(pure, samples[:, 0], UNLABELLED).astype(int)

    @property
    def subjects(self) -> np.ndarray:
        """Subject of each window."""
        return self.store.recordings["subject"].to_numpy(dtype=str)[self.rows()]

    def select(self, chosen: Bool[np.ndarray, " N"] | Int[np.ndarray, " M"]) -> "Windows":
        """The windows that a mask or an ascending index names."""
        return type(self)(self.store, self.length, self.starts[chosen], self.labels[chosen])


def all_of(windows: Windows) -> Float32[np.ndarray, "N C T"]:
    """All windows as one array.

    Examples
    --------
    >>> windows = Windows.sliding(Store.load("synthetic"), length=128, stride=64)
    >>> all_of(windows).shape == (len(windows), 6, 128)
    True
    """
    return windows.take(range(len(windows))).numpy()


def samples(seconds: float, sample_rate: float, what: str = "window") -> int:
    """How many samples `seconds` are; ``ValueError`` where that is no whole number of one or more.

    Examples
    --------
    >>> samples(2.56, 50.0)
    128
    """
    # A product of decimals misses a whole number by its rounding, hence the tolerance.
    exact = seconds * sample_rate
    if exact < 1 or abs(exact - round(exact)) > 1e-6 * exact:
        near = max(1, round(exact)) / sample_rate
        raise ValueError(
            f"a {what} of {seconds:g} s is {exact:g} samples at {sample_rate:g} Hz: "
            f"choose a whole number of samples, for example {near:g} s"
        )
    return round(exact)


def _starts(
    first: np.ndarray, lengths: np.ndarray, length: int, stride: int, sample_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Start of every window that fits into its stretch, and the number of that stretch."""
    if length < 1 or stride < 1:
        raise ValueError(f"window length {length} and stride {stride} must be at least one sample")
    counts = np.maximum((lengths - length) // stride + 1, 0)
    if not counts.sum():
        longest = lengths.max(initial=0)
        raise ValueError(
            f"no window fits: a window of {length / sample_rate:g} s ({length} samples) is longer "
            f"than every stretch of signal, the longest has {longest / sample_rate:g} s"
        )
    stretch = np.repeat(np.arange(len(first)), counts)
    within = np.arange(len(stretch)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first[stretch] + stride * within, stretch


def _bouts(store: Store) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start, length and label of every run of equal labels within a recording."""
    labels = store.labels
    change = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    # A bout ends with its recording, even if the next one begins with the same label.
    edges = np.union1d(change, store.recordings["start"].to_numpy())
    lengths = np.diff(edges, append=len(labels))
    classes = labels[edges]
    kept = classes != UNLABELLED
    return edges[kept], lengths[kept], classes[kept].astype(int)


def _class_index(store: Store, classes: Sequence[str] | None) -> np.ndarray:
    """New number of each class of the store, -1 for one that is left out."""
    if classes is None:
        return np.arange(len(store.classes))
    unknown = [name for name in classes if name not in store.classes]
    if unknown:
        raise ValueError(
            f"no class {', '.join(map(repr, unknown))} in the store: "
            f"it has {comma_list(store.classes)}"
        )
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers.get(name, UNLABELLED) for name in store.classes])
