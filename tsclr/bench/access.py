"""What a method may see of a fold, and what it returns.

A method gets windows without labels, and the ledger records what they were used for. The features
that it gives must depend on one window at a time.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.preprocessing import StandardScaler

from tsclr.bench.seen import check_unseen, was_pretrained_on
from tsclr.data.identity import fingerprints
from tsclr.data.settings import Data
from tsclr.data.splits import LeakError, Split
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import encode
from tsclr.embed.fitting import fit_whitening
from tsclr.encoders import Encoder
from tsclr.evaluate.task import Task
from tsclr.types import InputSpec

N_MOMENTS = 2048
"""Stream windows whose features are standardised on, and on which a fixed transform is fitted.

The published results were made with this number. It gives the mean of a feature to 1/45 of its
standard deviation, far closer than two label draws agree, and keeps slow transforms affordable.
"""
N_REPEATED = 32
"""Windows that are embedded a second time, approximately."""
EQUAL = 1e-3
"""Relative difference below which two features of one window differ by rounding only."""
ROUNDED = 0.05
"""Share of features that may differ by more: features that are constant up to rounding."""
Embed = Callable[[Windows], Float[np.ndarray, "N F"]]

log = logging.getLogger(__name__)


class FoldAccess:
    """The windows that a method may see, without labels, and a folder for what it learns.

    Whose windows are taken, and for what, is recorded in the ledger of the fold.

    Parameters
    ----------
    task : Task
        Labelled windows and their split; methods must not use it.
    data : Data
        The fold as a pretraining reads it, with the same split of the subjects.
    source : str
        Canonical name of the dataset, or its folder.
    fingerprint : str
        Hash of the recordings.
    runs : Path
        Folder for pretrainings.
    """

    def __init__(self, task: Task, data: Data, source: str, fingerprint: str, runs: Path) -> None:
        self._task = task
        self.data = data
        self.source = source
        self.fingerprint = fingerprint
        self.runs = runs

    @property
    def input_spec(self) -> InputSpec:
        """Channels, rate and length of the windows."""
        return self._task.windows.input_spec

    @property
    def split(self) -> Split:
        """Training, validation and test subjects."""
        return self._task.split

    @property
    def by_subject(self) -> bool:
        """Whether the split divides subjects, and not windows."""
        return self._task.groups is None

    def note(self, role: str, subjects: Sequence[str]) -> Windows:
        """Unlabelled windows over the streams of `subjects`, recorded as used for `role`.

        Where the split divides windows, they are those of all but the test subjects.

        Parameters
        ----------
        role : str
            One of `tsclr.audit.ledger.ROLES`.
        subjects : sequence of str
            Names of the subjects.
        """
        store = self._task.windows.store
        if not self.by_subject:
            subjects = [name for name in store.subjects if name not in (self.data.test or [])]
        streams = self.data.windows(store, tuple(subjects))
        self._task.ledger.note(role, streams)
        return streams

    def sample(self) -> Windows:
        """`N_MOMENTS` stream windows of the training subjects, recorded as used for statistics."""
        streams = self.note("statistics", self.split.train)
        drawn = np.random.default_rng(self._task.seed).permutation(len(streams))[:N_MOMENTS]
        return streams.select(np.sort(drawn))

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

    def refuse_seen(self, checkpoint: Checkpoint) -> None:
        """Raise ``LeakError`` if a run was trained or validated on test subjects of the fold."""
        store = self._task.windows.store
        check_unseen(checkpoint, store, self.source, self.data.test or [])

    def note_run(self, checkpoint: Checkpoint) -> str | None:
        """Record the windows that a run was pretrained on; if that fails, return the reason."""
        used, settings = checkpoint.split, checkpoint.settings
        roles = {"pretraining": used.train}
        if settings["training"]["patience"]:  # epochs were chosen on validation subjects
            roles["choice"] = used.validation
        try:
            store, dataset = self._store_of(checkpoint)
            for role, subjects in roles.items():
                # Logs that were added to the store since are recorded too: when in doubt, record.
                windows = Data(**settings["data"]).windows(store, subjects)
                self._task.ledger.note(role, windows, dataset=dataset)
        except (ValueError, LookupError, OSError) as error:
            reason = f"the pretraining data cannot be read: {error}"
            log.warning("the scores get no certificate: %s", reason)
            return reason
        return None

    def _store_of(self, checkpoint: Checkpoint) -> tuple[Store, str]:
        """The store that a run was pretrained on, and its name in the ledger.

        It is that of the fold if it has the same source or holds the same recordings.
        """
        settings, used = checkpoint.settings, checkpoint.split
        store, dataset = self._task.windows.store, self._task.ledger.dataset
        pretrained_files, subjects = set(settings["seen"]), (*used.train, *used.validation)
        if not was_pretrained_on(checkpoint, store, self.source):
            dataset = settings["place"]
            store = Store.load(dataset, settings["data"]["root"])
        n_lost = len(pretrained_files - set(fingerprints(store, subjects)))
        if n_lost:
            raise ValueError(
                f"{dataset} lacks {n_lost} of the {len(pretrained_files)} files of the pretraining"
            )
        return store, dataset


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
                f"features of {len(broken)} of {len(windows)} windows are NaN or infinite, the "
                f"first is window {broken[0]}: clip or fill them"
            )
        # A normalisation over all windows would carry the test into every feature without a trace
        # in the ledger; it shows when some windows are embedded again among fewer others.
        few = np.arange(0, len(windows), max(2, len(windows) // N_REPEATED))
        repeated = np.asarray(self.embed(unlabelled.select(few)))
        difference = np.abs(repeated - features[few]).mean(0)
        size = np.abs(features[few]).mean(0)
        if difference.mean() > EQUAL * size.mean() or (difference > EQUAL * size).mean() > ROUNDED:
            raise LeakError(
                "the features of a window change with the other windows of its batch, so test "
                "windows affect one another: embed each window by itself"
            )
        return features
