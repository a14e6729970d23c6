"""Protocols that divide windows, which inflates scores: to show by how much.

Every window is assigned to a random group, and the split names the groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsclr.bench.protocols.base import Protocol

__all__ = ["RandomValidation", "RandomWindows"]

N_GROUPS = 20
"""Random groups of windows; a share of the windows is a multiple of 5 % then."""


@dataclass(frozen=True)
class RandomValidation(Protocol):
    """Test subjects are held out, but validation windows are random ones of all other subjects.

    Most validation windows share samples with a training window, so choices are made on a score
    that is too high, in favour of what does well on subjects that were seen. The test is clean.

    Parameters
    ----------
    test : list of str, optional
        Test subjects; those that the dataset documents by default.

    Examples
    --------
    >>> protocol = RandomValidation()
    >>> groups = protocol.groups(["one"] * 40 + ["two"] * 9, official=["two"])
    >>> (split,) = protocol.splits(sorted(set(groups.tolist())), ["two"]).values()
    >>> split.test, len(split.train), len(split.validation)
    (('two',), 16, 4)
    """

    test: list[str] | None = None
    by_subject: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """Its name in results."""
        on = f", test on {' '.join(self.test)}" if self.test else ""
        return f"random validation windows{on}"

    def groups(self, subjects: Sequence[str], official: Sequence[str]) -> np.ndarray:
        """The test subjects, and twenty groups of one size of all other windows."""
        names = np.array(subjects, dtype=object)
        others = np.flatnonzero(~np.isin(names, self.test or list(official)))
        names[others] = random_groups(len(others), self.seed)
        return names.astype(str)

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """The test subjects."""
        if not (self.test or official):
            raise ValueError("no test subjects are documented: name them with `test`")
        return {"random validation": list(self.test or official)}


@dataclass(frozen=True)
class RandomWindows(Protocol):
    """Random windows are tested, whoever wore them; only there to show how much this flatters.

    Windows of one subject, and windows that overlap, are on both sides, and pretraining sees all
    streams. The audit says that the protocol leaks.

    Parameters
    ----------
    test : float
        Share of the windows that is tested.

    Examples
    --------
    >>> protocol = RandomWindows()
    >>> groups = protocol.groups(["one"] * 100, [])
    >>> protocol.splits(sorted(set(groups.tolist())), [])["random"].test
    ('part 00', 'part 01', 'part 02', 'part 03')
    """

    test: float = 0.2
    by_subject: ClassVar[bool] = False
    leaky: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.test < 1:
            raise ValueError(f"test is {self.test}, it must be a share between 0 and 1")

    @property
    def title(self) -> str:
        """Its name in results."""
        return "random windows (leaky)"

    def groups(self, subjects: Sequence[str], official: Sequence[str]) -> np.ndarray:
        """Twenty groups of one size."""
        return random_groups(len(subjects), self.seed)

    def held_out(self, subjects: Sequence[str], official: Sequence[str]) -> dict[str, list[str]]:
        """The first groups."""
        return {"random": sorted(subjects)[: max(1, round(self.test * len(subjects)))]}


def random_groups(n_windows: int, seed: int) -> np.ndarray:
    """A random group for each window; all groups have about the same size.

    Examples
    --------
    >>> random_groups(3, seed=0)
    array(['part 02', 'part 00', 'part 01'], dtype='<U7')
    """
    order = np.random.default_rng(seed).permutation(n_windows)
    return np.array([f"part {position % N_GROUPS:02d}" for position in order])
