"""What a method may see of a fold, and what it returns.

A method learns from the streams of the subjects that it notes, and embeds windows one by one. It is
never told what they show, and nothing that it gets leads there by any chain of attributes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.preprocessing import StandardScaler

from tsclr.audit.ledger import ROLES
from tsclr.data.settings import Data
from tsclr.data.splits import LeakError, Split
from tsclr.data.store import Store
from tsclr.data.windows import Windows, samples
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import encode
from tsclr.embed.fitting import fit_whitening
from tsclr.encoders import Encoder
from tsclr.specs import nearest
from tsclr.types import UNLABELLED, InputSpec

N_MOMENTS = 2048
"""Stream windows whose features are standardised on, and on which a fixed transform is fitted.

The published results were made with this number. It gives the mean of a feature to 1/45 of its
standard deviation, far closer than two label draws agree, and keeps slow transforms affordable.
"""
NOTED = ("pretraining", "statistics", "choice")
"""Roles that a method may give; the harness gives the others."""
CHUNK = 4096
"""Windows that are embedded at once: a few batches of an encoder, and a few MiB."""
N_REPEATED = 32
"""Windows that are embedded a second time, approximately."""
EQUAL = 1e-3
"""Relative difference below which two features of one window differ by rounding only."""
ROUNDED = 0.05
"""Share of features that may differ by more: features that are constant up to rounding."""
BLANK = {
    "name": "",
    "subject": "",
    "device": "",
    "start_time": 0,
    "labels": "{}",
    "source": "",
    "source_hash": "",
    "reader": "",
    "repairs": "{}",
}
"""What is said of a window that is to be embedded, in the columns of a table of recordings."""
Embed = Callable[[Windows], Float[np.ndarray, "N F"]]


class FoldAccess:
    """The windows that a method may see, without labels, and a folder for what it learns.

    Every store that it hands out holds the samples of the subjects asked for and of nobody else.
    Nothing in it tells what they show: labels, classes, and the names and files of recordings are
    blank. Whose windows are taken, and for what, is noted for the provenance of the fold.

    Parameters
    ----------
    data : Data
        The fold as a pretraining reads it; its source is a store of everybody, without labels.
    split : Split
        Training, validation and test subjects, or groups of windows.
    by_subject : bool
        Whether the split divides subjects, and not windows.
    transductive : bool
        Whether the method says that it pretrains on test subjects too.
    fingerprint : str
        Hash of the recordings and of how windows are cut.
    runs : Path
        Folder for pretrainings.
    seed : int
        Seed of the draw of `sample`.
    """

    def __init__(
        self,
        data: Data,
        split: Split,
        by_subject: bool = True,
        transductive: bool = False,
        fingerprint: str = "",
        runs: Path = Path("runs"),
        seed: int = 0,
    ) -> None:
        self._data = data
        self.split = split
        self.by_subject = by_subject
        self.transductive = transductive
        self.fingerprint = fingerprint
        self.runs = runs
        self._seed = seed
        self._store, self._pretraining_split = data.open()
        self._views: dict[frozenset[str], Store] = {}
        self._notes: list[tuple[str, tuple[str, ...]]] = []
        self._checkpoints: list[Checkpoint] = []
        self._is_closed = False

    @property
    def input_spec(self) -> InputSpec:
        """Channels, rate and length of the windows."""
        store = self._store
        length = samples(self._data.window, store.sample_rate)
        return InputSpec(store.channels, store.sample_rate, length)

    @property
    def notes(self) -> list[tuple[str, tuple[str, ...]]]:
        """What was handed out: roles, each with the subjects whose streams were taken for it."""
        return list(self._notes)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """The runs that `note_run` was told of."""
        return list(self._checkpoints)

    def note(self, role: str, subjects: Sequence[str]) -> Windows:
        """Unlabelled windows over the streams of `subjects`, recorded as used for `role`.

        Where the split divides windows, they are those of all but the test subjects.

        Parameters
        ----------
        role : {'pretraining', 'statistics', 'choice'}
            What they are used for.
        subjects : sequence of str
            Names of the subjects.

        Raises
        ------
        LeakError
            If the role is one that only the harness gives.
        ValueError
            If there is no such role or subject.
        """
        if role not in ROLES:
            raise ValueError(f"no role {role!r}: {nearest(role, NOTED)}")
        if role not in NOTED:
            raise LeakError(
                f"a method cannot note the role {role!r}, which is for labelled windows that the "
                f"harness fits and tests heads on: note {', '.join(NOTED)}"
            )
        if not self.by_subject:
            tested = self._data.test or ()
            subjects = [name for name in self._store.subjects if name not in tested]
        store = self._view(subjects)
        windows = self._data.windows(store, store.subjects)
        self._notes.append((role, store.subjects))
        return windows

    def sample(self) -> Windows:
        """`N_MOMENTS` stream windows of the training subjects, recorded as used for statistics."""
        streams = self.note("statistics", self.split.train)
        drawn = np.random.default_rng(self._seed).permutation(len(streams))[:N_MOMENTS]
        return streams.select(np.sort(drawn))

    def pretraining_data(self) -> Data:
        """What `tsclr.pretrain` reads: the streams of the training and the validation subjects.

        They are recorded as used for pretraining and for choice. With a method that says that it is
        transductive, the training subjects are joined by the test subjects; with one that says that
        it reads labels, training windows have theirs.

        Returns
        -------
        Data
            Its source is a store that holds nobody else, and its test subjects are named only.
        """
        data, split = self._data, self._pretraining_split
        if self.transductive:
            data = replace(data, test=[])
            _, split = data.open()
        store = self._view((*split.train, *split.validation))
        self._notes += [("pretraining", split.train), ("choice", split.validation)]
        return replace(data, source=store)

    def note_run(self, checkpoint: Checkpoint) -> None:
        """Say that an existing run is used.

        The harness refuses the fold with a ``LeakError`` if the run was trained or validated on its
        test subjects. Otherwise it records what the run was pretrained on; where those data are
        gone, the scores have no certificate.
        """
        self._checkpoints.append(checkpoint)

    def close(self) -> None:
        """Hand out nothing any more, since the provenance has been written."""
        self._is_closed = True

    def standardised(self, embed: Embed) -> Embed:
        """`embed` with each feature standardised by its moments over unlabelled training windows.

        Parameters
        ----------
        embed : callable
            Maps windows to features (N, F).
        """
        moments = StandardScaler().fit(embed(self.sample()))
        return lambda windows: np.asarray(moments.transform(embed(windows)))

    def embed_with(self, encoder: Encoder, whiten: bool = False) -> Embed:
        """The features of an encoder, standardised or, with `whiten`, after pair whitening.

        Parameters
        ----------
        encoder : Encoder
            Trained or fixed.
        whiten : bool
            Fit pair whitening on unlabelled training windows; its output is not standardised.
        """
        if not whiten:
            return self.standardised(partial(encode, encoder))
        whitening = fit_whitening(encoder, self.note("statistics", self.split.train))
        return lambda windows: whitening.transform(encode(encoder, windows))

    def _view(self, subjects: Sequence[str]) -> Store:
        """The store of some subjects alone; made once, since it may be a copy."""
        if self._is_closed:
            raise LeakError(
                "windows can be noted only until the windows of the test are embedded: what is "
                "taken later is missing in the provenance"
            )
        key = frozenset(subjects)
        if key not in self._views:
            self._views[key] = self._store.with_subjects(subjects)
        return self._views[key]


@dataclass(frozen=True)
class Representation:
    """What a method has learned from the unlabelled side of a fold.

    Parameters
    ----------
    embed : callable, optional
        Maps windows to features (N, F); None where there are only classifiers of windows.
    encoder : Encoder, optional
        For heads that train it.
    classifiers : dict of str to list
        By the name of a head of the method's own, scikit-learn classifiers that read windows.
    seconds : float, optional
        How long learning took, where it was not this call that learned.
    uncertified : str, optional
        Why it is not known what the method has seen, so that no certificate can be given.
    """

    embed: Embed | None = None
    encoder: Encoder | None = None
    classifiers: dict[str, list[Any]] = field(default_factory=dict)
    seconds: float | None = None
    uncertified: str | None = None

    def features(self, windows: Windows) -> Float[np.ndarray, "N F"] | None:
        """Features of windows, None where the method gives none.

        Parameters
        ----------
        windows : Windows
            All of a task; what is handed out is what `alone` makes of them.

        Raises
        ------
        LeakError
            If the features of a window depend on the windows that are embedded with it.
        ValueError
            If there is no row of finite features for each window.
        """
        if self.embed is None:
            return None
        # Chunk by chunk, so that what is handed out takes little memory. Within a chunk in random
        # order: windows come in the order of time and many people follow one protocol, so their
        # order would tell what they show.
        chance = np.random.default_rng(0)
        chunks = [
            low + chance.permutation(min(CHUNK, len(windows) - low))
            for low in range(0, len(windows), CHUNK)
        ]
        order = np.concatenate(chunks)
        shuffled = np.concatenate([embedded(self.embed, windows, chunk) for chunk in chunks])
        features = shuffled[np.argsort(order)]
        check_alone(self.embed, windows, features)
        return features


def embedded(
    embed: Embed, windows: Windows, chosen: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N F"]:
    """Features of some windows, which are embedded together."""
    features = np.asarray(embed(alone(windows, chosen)))
    if features.ndim != 2 or len(features) != len(chosen):
        raise ValueError(
            f"features have shape {features.shape}, expected ({len(chosen)}, F): a row for "
            "each window"
        )
    broken = np.flatnonzero(~np.isfinite(features).all(1))
    if len(broken):
        raise ValueError(
            f"features of {len(broken)} of {len(chosen)} windows are NaN or infinite, the "
            f"first is window {chosen[broken].min()}: clip or fill them"
        )
    return features


def check_alone(embed: Embed, windows: Windows, features: Float[np.ndarray, "N F"]) -> None:
    """Raise ``LeakError`` if features change where fewer windows are embedded together."""
    # A normalisation over all windows would carry the test into every feature without a trace
    # in the ledger; it shows when some windows are embedded again among fewer others.
    few = np.arange(0, len(windows), max(2, len(windows) // N_REPEATED))
    repeated = embedded(embed, windows, few)
    difference = np.abs(repeated - features[few]).mean(0)
    size = np.abs(features[few]).mean(0)
    if difference.mean() > EQUAL * size.mean() or (difference > EQUAL * size).mean() > ROUNDED:
        raise LeakError(
            "the features of a window change with the other windows of its batch, so test "
            "windows affect one another: embed each window by itself"
        )


def alone(windows: Windows, chosen: Int[np.ndarray, " N"]) -> Windows:
    """Copies of some windows in a store that holds nothing else: no stream around them, no names.

    Each window is a recording, and nobody is said to have made it.
    """
    taken = windows.take(chosen).numpy()
    n_windows, length = len(taken), windows.length
    starts = np.arange(n_windows) * length
    whole = windows.store
    table = pd.DataFrame(BLANK, index=range(n_windows)).assign(start=starts, length=length)
    signal = np.ascontiguousarray(taken.swapaxes(1, 2).reshape(-1, len(whole.channels)))
    unlabelled = np.full(len(signal), UNLABELLED, np.int16)
    store = Store(signal, unlabelled, table, whole.channels, whole.sample_rate, ())
    return Windows(store, length, starts)
