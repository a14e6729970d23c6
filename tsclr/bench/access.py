"""A fold in; what a method may see of it, and what it gives back, checked, out.

A method gets windows without labels, and each time it takes some it is written down for what. The
features that it gives must depend on one window at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.preprocessing import StandardScaler

from tsclr.data.settings import Data
from tsclr.data.splits import LeakError, Split
from tsclr.data.windows import Windows
from tsclr.embed.encode import encode
from tsclr.embed.fitting import fit_whitening
from tsclr.encoders import Encoder
from tsclr.evaluate.task import Task
from tsclr.types import InputSpec

N_MOMENTS = 2048
"""Stream windows on which a fixed transform is fitted and moments of features are taken."""
N_AGAIN = 32
"""Windows that are embedded a second time, about."""
ALIKE = 1e-3
"""Features of one window that differ by less, as a share of their size, differ by rounding."""
ROUNDED = 0.05
"""Share of the features that may differ by more: those that are constant but for rounding."""
Embed = Callable[[Windows], Float[np.ndarray, "N F"]]


class FoldAccess:
    """What a method may see, and where it may keep what it learns.

    The windows that it gives have no labels, and whose they are is noted in the ledger.

    Parameters
    ----------
    task : Task
        Labelled windows, which no method gets, and who is who.
    data : Data
        The same for a pretraining, which divides the subjects as the task does.
    fingerprint : str
        Of the recordings.
    runs : Path
        Folder for pretrainings.
    """

    def __init__(self, task: Task, data: Data, fingerprint: str, runs: Path) -> None:
        self._task = task
        self.data = data
        self.fingerprint = fingerprint
        self.runs = runs

    @property
    def input_spec(self) -> InputSpec:
        """Of the windows: channels, rate and length."""
        return self._task.windows.input_spec

    @property
    def split(self) -> Split:
        """Who is trained on, chosen on and tested."""
        return self._task.split

    @property
    def by_subject(self) -> bool:
        """Whether the split names subjects, and not parts into which windows were drawn."""
        return self._task.parts is None

    def note(self, role: str, subjects: Sequence[str]) -> Windows:
        """Unlabelled windows of `subjects`, noted in the ledger as used for `role`.

        Where the split of the task divides windows, they are those of all but the test subjects.

        Parameters
        ----------
        role : str
            As `tsclr.audit.ledger.ROLES` has it.
        subjects : sequence of str
            Whose streams.
        """
        store = self._task.windows.store
        if not self.by_subject:
            subjects = [name for name in store.subjects if name not in (self.data.test or [])]
        streams = self.data.windows(store, tuple(subjects))
        self._task.ledger.note(role, streams)
        return streams

    def sample(self) -> Windows:
        """`N_MOMENTS` stream windows of the training subjects, noted as used for statistics."""
        streams = self.note("statistics", self.split.train)
        drawn = np.random.default_rng(self._task.seed).permutation(len(streams))[:N_MOMENTS]
        return streams.select(np.sort(drawn))

    def standardised(self, embed: Embed) -> Embed:
        """`embed` with each feature standardised by its moments over streams.

        Parameters
        ----------
        embed : callable
            Windows in, features (N, F) out.
        """
        moments = StandardScaler().fit(embed(self.sample()))
        return lambda windows: np.asarray(moments.transform(embed(windows)))

    def whitened(self, encoder: Encoder) -> Embed:
        """Features of an encoder behind pair whitening, which are not standardised.

        Parameters
        ----------
        encoder : Encoder
            Gives the features.
        """
        whitening = fit_whitening(encoder, self.note("statistics", self.split.train))
        return lambda windows: whitening.transform(encode(encoder, windows))


@dataclass(frozen=True)
class Representation:
    """What a method made of the unlabelled side of a fold.

    Parameters
    ----------
    embed : callable, optional
        Windows in, features (N, F) out; None where there are only classifiers of windows.
    encoder : Encoder, optional
        For heads that train it along.
    classifiers : dict of str to list
        Candidates of heads of its own, which read windows.
    seconds : float, optional
        Time that learning took, where it was not this call that learned.
    """

    embed: Embed | None = None
    encoder: Encoder | None = None
    classifiers: dict[str, list[Any]] = field(default_factory=dict)
    seconds: float | None = None

    def features(self, windows: Windows) -> Float[np.ndarray, "N F"] | None:
        """Features of windows, None where the method gives none.

        Some are embedded again among fewer others, so that nothing of the test reaches a feature by
        way of the windows beside it, such as by a normalisation over all that are embedded.

        Parameters
        ----------
        windows : Windows
            All of a task; their labels are kept back.

        Raises
        ------
        LeakError
            If the features of a window depend on the windows that are embedded with it.
        ValueError
            If there is no row of finite features for each window.
        """
        if self.embed is None:
            return None
        unlabelled = Windows(windows.store, windows.length, windows.starts)
        features = np.asarray(self.embed(unlabelled))
        if features.ndim != 2 or len(features) != len(windows):
            raise ValueError(
                f"features have shape {features.shape}, expected ({len(windows)}, F): a row for "
                "each window"
            )
        broken = np.flatnonzero(~np.isfinite(features).all(1))
        if len(broken):
            raise ValueError(
                f"features of {len(broken)} of {len(windows)} windows are NaN or infinite, those "
                f"of window {broken[0]} first: clip them or fill them"
            )
        few = np.arange(0, len(windows), max(2, len(windows) // N_AGAIN))
        again = np.asarray(self.embed(unlabelled.select(few)))
        off, size = np.abs(again - features[few]).mean(0), np.abs(features[few]).mean(0)
        if off.mean() > ALIKE * size.mean() or (off > ALIKE * size).mean() > ROUNDED:
            raise LeakError(
                "features of a window are others when it is embedded with other windows, so that "
                "they hold something of the test: embed each window for itself"
            )
        return features
