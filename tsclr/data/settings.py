"""What pretraining reads and which subjects it trains on: the block ``data`` of a config."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tsclr.data.splits import Split, split_subjects
from tsclr.data.store import Store
from tsclr.data.windows import Windows, samples

MEMORY = "memory"
"""Recorded as the source of a store that was made in memory."""


@dataclass
class Data:
    """Where pretraining windows come from.

    Parameters
    ----------
    source : str or Store
        Folder of a store, or name of a public dataset; from Python also an open `Store`.
    root : str, optional
        Folder with the archive of the dataset, by default that of the variable TSCLR_DATA.
    window : float
        Length of a window, s.
    stride : float
        From the start of a window to that of the next, s.
    test : list of str, optional
        Subjects to leave out for a later test; for a public dataset its documented ones.
    validation : float or list of str
        Share of the other subjects to validate on, or their names.
    split_seed : int
        Seed of the choice of validation subjects.
    """

    source: str | Store
    root: str | None = None
    window: float = 2.56
    stride: float = 1.28
    test: list[str] | None = None
    validation: float | list[str] = 0.2
    split_seed: int = 0

    @property
    def name(self) -> str:
        """Folder or dataset that `source` is, or was opened from; `MEMORY` where there is none."""
        return self.source if isinstance(self.source, str) else self.source.source or MEMORY

    def settings(self) -> dict[str, Any]:
        """The block ``data`` of a config as JSON can hold it."""
        return asdict(replace(self, source=self.name))

    def open(self) -> tuple[Store, Split]:
        """The store, and who is trained on.

        Raises
        ------
        FileNotFoundError
            If `source` is `MEMORY`, as a config says that was written for a store in memory.
        """
        if self.source == MEMORY:
            raise FileNotFoundError(
                "the data of this run were a store in memory, which no folder holds: in Python, "
                "pass that store again as Data(store)"
            )
        store = (
            self.source if isinstance(self.source, Store) else Store.load(self.source, self.root)
        )
        test: Sequence[str] = self.test or ()
        if self.test is None and self.name != MEMORY and not Path(self.name).is_dir():
            from tsclr import datasets  # imports pooch, which only downloads need

            test = datasets.find(self.name)(self.root).test_subjects
        everybody = (*store.subjects, *store.left_out)
        return store, split_subjects(everybody, test, self.validation, self.split_seed)

    def windows(self, store: Store, subjects: tuple[str, ...]) -> Windows:
        """Windows over the whole streams of `subjects`."""
        length = samples(self.window, store.sample_rate)
        stride = samples(self.stride, store.sample_rate, "stride")
        return Windows.sliding(store, length, stride, subjects)
