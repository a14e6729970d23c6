"""The block ``data`` of a config in, a store and who is trained on out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tsclr import datasets
from tsclr.data.splits import Split, split_subjects
from tsclr.data.store import Store
from tsclr.data.windows import Windows, samples


@dataclass
class Data:
    """Where pretraining windows come from.

    Parameters
    ----------
    source : str
        Folder of a store, or name of a public dataset.
    root : str, optional
        Folder with the archive of the dataset; the variable TSCLR_DATA by default.
    window : float
        Length of a window, s.
    stride : float
        From start to start, s.
    test : list of str, optional
        Subjects to leave out for a later test; for a public dataset its documented ones.
    validation : float or list of str
        Share of the other subjects that is watched, not trained on; or their names.
    split_seed : int
        Seed of the draw of validation subjects.
    """

    source: str
    root: str | None = None
    window: float = 2.56
    stride: float = 1.28
    test: list[str] | None = None
    validation: float | list[str] = 0.2
    split_seed: int = 0

    def open(self) -> tuple[Store, Split]:
        """The store, and who is trained on."""
        store = Store.load(self.source, self.root)
        test: Sequence[str] = self.test or ()
        if self.test is None and not Path(self.source).is_dir():
            test = datasets.find(self.source)(self.root).test_subjects
        return store, split_subjects(store.subjects, test, self.validation, self.split_seed)

    def windows(self, store: Store, subjects: tuple[str, ...]) -> Windows:
        """Windows over the whole streams of `subjects`.

        Parameters
        ----------
        store : Store
            As `open` gives it.
        subjects : tuple of str
            Whose streams.
        """
        length = samples(self.window, store.sample_rate)
        stride = samples(self.stride, store.sample_rate, "stride")
        return Windows.sliding(store, length, stride, subjects)
