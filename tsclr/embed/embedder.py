"""Windows, stores and logs in, vectors out: a trained encoder inside a pipeline of yours."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from rich.progress import track
from sklearn.base import BaseEstimator, TransformerMixin

from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import encode
from tsclr.embed.whitening import PairWhitening
from tsclr.files import replacing


class Embedder(TransformerMixin, BaseEstimator):
    """A pretrained encoder as a scikit-learn transformer.

    Parameters
    ----------
    run : str or Path
        Run folder or checkpoint that ``tsclr pretrain`` wrote.
    whiten : bool
        Apply the pair whitening that was fitted at the end of pretraining. Do not standardise
        its output again.
    batch_size : int
        Windows per pass.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> classifier = make_pipeline(Embedder("runs/hapt"), LogisticRegression())
    """

    def __init__(self, run: str | Path, whiten: bool = False, batch_size: int = 512) -> None:
        self.run = run
        self.whiten = whiten
        self.batch_size = batch_size

    @classmethod
    def load(cls, run: str | Path, whiten: bool = False) -> "Embedder":
        """Embedder of a run, its weights read and verified.

        Parameters
        ----------
        run : str or Path
            Run folder or checkpoint.
        whiten : bool
            Apply the pair whitening of the run.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint.
        ValueError
            If it is damaged, or has no whitening and `whiten` is set.
        """
        return cls(run, whiten).fit()

    def fit(self, X: object = None, y: object = None) -> "Embedder":
        """Read the run; nothing is learnt from `X`.

        Parameters
        ----------
        X, y : ignored
            As scikit-learn passes them.
        """
        self.checkpoint_ = Checkpoint.load(Path(self.run))
        self.input_spec_ = self.checkpoint_.input_spec
        self.encoder_ = self.checkpoint_.encoder()
        self.whitening_ = self._whitening() if self.whiten else None
        return self

    def transform(self, X: Float[np.ndarray, "..."]) -> Float[np.ndarray, "N D"]:
        """Vectors of windows.

        Parameters
        ----------
        X : (N, C, T) float
            Windows in the units of `tsclr.types.UNITS`, with the channels, rate and length of
            ``input_spec_``.

        Raises
        ------
        ValueError
            If `X` does not fit the encoder, or a value is not finite.
        """
        if not hasattr(self, "encoder_"):
            self.fit()
        X = np.require(X, np.float32, "W")
        self.input_spec_.check(X.shape)
        bad = ~np.isfinite(X).all(axis=(1, 2))
        if bad.any():
            raise ValueError(
                f"{bad.sum()} of {len(X)} windows hold NaN or infinity, the first is window "
                f"{bad.argmax()}: interpolate or drop them"
            )
        return self._vectors(_Array(torch.from_numpy(X)))

    def transform_store(self, store: Store, stride: int) -> Iterator[pd.DataFrame]:
        """Vectors of windows over a whole store, in pieces that fit into memory.

        Parameters
        ----------
        store : Store
            With the channels and the rate of the encoder.
        stride : int
            Samples from window to window.

        Yields
        ------
        DataFrame
            recording, subject, device, start (s), time (ns), label, and ``v0, v1, …``.
        """
        if not hasattr(self, "encoder_"):
            self.fit()
        self.input_spec_.check_stream(store.channels, store.sample_rate)
        windows = Windows.sliding(store, self.input_spec_.length, stride)
        for low in range(0, len(windows), 8192):
            piece = windows.select(np.arange(low, min(low + 8192, len(windows))))
            vectors = self._vectors(piece)
            names = [f"v{number}" for number in range(vectors.shape[1])]
            table = pd.DataFrame(vectors, columns=names)
            yield pd.concat([describe(piece), table], axis=1)

    def save(self, path: str | Path) -> None:
        """Write the checkpoint to another place.

        Parameters
        ----------
        path : str or Path
            File to write; it can be loaded in place of the run folder.
        """
        if not hasattr(self, "encoder_"):
            self.fit()
        self.checkpoint_.save(Path(path))

    def _vectors(self, windows: "Windows | _Array") -> np.ndarray:
        features = encode(self.encoder_, windows, batch_size=self.batch_size)
        return features if self.whitening_ is None else self.whitening_.transform(features)

    def _whitening(self) -> PairWhitening:
        arrays = {name: t.numpy() for name, t in self.checkpoint_.part("readout").items()}
        if not arrays:
            raise ValueError(
                f"the run {self.run} has no whitening: it is not finished (go on with `tsclr "
                "pretrain --resume`), or no window had a neighbour; embed without whitening"
            )
        return PairWhitening.from_arrays(arrays)


class _Array:
    """Windows that lie in memory, by number."""

    def __init__(self, windows: torch.Tensor) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def take(self, indices: np.ndarray) -> torch.Tensor:
        return self.windows[torch.from_numpy(indices)]


def describe(windows: Windows) -> pd.DataFrame:
    """Where each window comes from.

    Parameters
    ----------
    windows : Windows
        N windows.

    Returns
    -------
    DataFrame
        N rows: recording, subject, device, start (s), time (ns since the epoch, missing where the
        log has relative time only), label of the middle sample.
    """
    store = windows.store
    rows = store.recordings.iloc[windows.rows()]
    start = (windows.starts - rows["start"].to_numpy()) / store.sample_rate
    names = np.array([*store.classes, ""], dtype=object)
    origin = rows["start_time"].astype("Int64").replace(0, pd.NA)
    time = origin.to_numpy() + np.rint(start * 1e9).astype(np.int64)
    return pd.DataFrame(
        {
            "recording": rows["name"].to_numpy(),
            "subject": rows["subject"].to_numpy(),
            "device": rows["device"].to_numpy(),
            "start": start,
            "time": pd.array(time, "Int64"),
            "label": names[store.labels[windows.starts + windows.length // 2]],
        }
    )


def write_vectors(embedder: Embedder, store: Store, stride: int, out: Path) -> int:
    """Embed a store into a Parquet file, piece by piece and in one step.

    Parameters
    ----------
    embedder : Embedder
        Gives the vectors.
    store : Store
        Gives the windows.
    stride : int
        Samples from window to window.
    out : Path
        File to replace.

    Returns
    -------
    int
        Windows written.
    """
    n_windows = 0
    with replacing(out) as temporary, ExitStack() as opened:
        writer = None
        for table in track(embedder.transform_store(store, stride), "embedding"):
            piece = pa.Table.from_pandas(table, preserve_index=False)
            writer = writer or opened.enter_context(pq.ParquetWriter(temporary, piece.schema))
            writer.write_table(piece)
            n_windows += len(table)
        opened.close()
    return n_windows
