"""A store in, a table of vectors out, piece by piece and as Parquet."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tsclr.data.progress import track
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.embedder import Embedder
from tsclr.files import replacing

PIECE = 8192
"""Windows of a store that are embedded at a time."""


def embed_store(embedder: Embedder, store: Store, stride: int) -> Iterator[pd.DataFrame]:
    """Vectors of windows over a whole store, in pieces that fit into memory.

    The columns are recording, subject, device, start (s), time (ns), label, and ``v0, v1, …``.
    ``ValueError`` if the store has other channels or another rate than the encoder was trained on.
    """
    if not hasattr(embedder, "encoder_"):
        embedder.fit()
    embedder.input_spec_.check_stream(store.channels, store.sample_rate)
    windows = Windows.sliding(store, embedder.input_spec_.length, stride)
    for low in range(0, len(windows), PIECE):
        piece = windows.select(np.arange(low, min(low + PIECE, len(windows))))
        vectors = embedder.vectors(piece)
        names = [f"v{number}" for number in range(vectors.shape[1])]
        yield pd.concat([describe(piece), pd.DataFrame(vectors, columns=names)], axis=1)


def describe(windows: Windows) -> pd.DataFrame:
    """Where each window comes from."""
    store = windows.store
    rows = store.recordings.iloc[windows.rows()]
    start = (windows.starts - rows["start"].to_numpy()) / store.sample_rate
    # The label -1, for none, picks the last name.
    names = np.array([*store.classes, ""], dtype=object)
    # 0 marks a log with relative time only; Int64 can hold what is missing, int64 cannot.
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
    """Embed a store into a Parquet file, piece by piece and in one step; give how many windows."""
    n_windows = 0
    pieces = track(embed_store(embedder, store, stride), "embedding")
    with replacing(out) as temporary, ExitStack() as opened:
        writer = None
        for table in pieces:
            piece = pa.Table.from_pandas(table, preserve_index=False)
            writer = writer or opened.enter_context(pq.ParquetWriter(temporary, piece.schema))
            writer.write_table(piece)
            n_windows += len(table)
    return n_windows
