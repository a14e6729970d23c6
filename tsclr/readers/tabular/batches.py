"""Record batches of a table in, one NumPy array per kind of column out.

Batches are converted one by one as they come, so memory holds the wanted columns only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int, Shaped


@dataclass(frozen=True)
class Texts:
    """A text column: index into `names` for each row, -1 where the cell is empty."""

    codes: Int[np.ndarray, " T"]
    names: list[str]


@dataclass(frozen=True)
class Table:
    """The wanted columns of a file, all rows in file order.

    Parameters
    ----------
    numbers : (T, C) float32
        NaN where a cell is empty.
    time : (T,) float64 or int64, optional
        Numbers as written, or nanoseconds since 1970 where `is_date`; 0 where a cell is empty.
    timed : (T,) bool, optional
        Whether the row has a time.
    is_date : bool
        Whether the time column holds dates.
    texts : dict of str to Texts
        By role.
    n_malformed : int
        Rows skipped because they had a wrong number of columns.
    """

    numbers: Float32[np.ndarray, "T C"]
    time: Shaped[np.ndarray, " T"] | None
    timed: Bool[np.ndarray, " T"] | None
    is_date: bool
    texts: dict[str, Texts]
    n_malformed: int = 0


def collect(
    batches: Iterator[pa.RecordBatch], numbers: list[str], time: str | None, texts: dict[str, str]
) -> Table:
    """Columns `numbers`, `time` and `texts` (column of each role) of all batches."""
    blocks, times, timed = [], [], []
    codes: dict[str, list[np.ndarray]] = {role: [] for role in texts}
    names: dict[str, dict[str, int]] = {role: {} for role in texts}
    is_date = False
    for batch in batches:
        blocks.append(_numbers(batch, numbers))
        for role, name in texts.items():
            codes[role].append(_codes(batch.column(name), names[role]))
        if time is not None:
            column = batch.column(time)
            is_date = pa.types.is_timestamp(column.type)
            values, is_timed = _times(column)
            times.append(values)
            timed.append(is_timed)
    return Table(
        numbers=_joined(blocks, np.empty((0, len(numbers)), np.float32)),
        time=None if time is None else _joined(times, np.empty(0)),
        timed=None if time is None else _joined(timed, np.empty(0, bool)),
        is_date=is_date,
        texts={
            role: Texts(_joined(codes[role], np.empty(0, np.int32)), list(names[role]))
            for role in texts
        },
    )


def _numbers(batch: pa.RecordBatch, names: list[str]) -> Float32[np.ndarray, "N C"]:
    """Number columns of a batch side by side."""
    block = np.empty((batch.num_rows, len(names)), np.float32)
    for index, name in enumerate(names):
        column = batch.column(name)
        if not pa.types.is_float32(column.type):
            column = _cast_number(column, name)
        block[:, index] = column.to_numpy(zero_copy_only=False)
    return block


def _cast_number(column: pa.Array, name: str) -> pa.Array:
    """Column of a Parquet file as float32; text is an error even where it holds digits."""
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        example = next((value for value in column.slice(0, 1000).to_pylist() if value), None)
        raise ValueError(f"column {name!r} holds {kind} such as {example!r}, expected numbers")
    return column.cast(pa.float32(), safe=False)


def _codes(column: pa.Array, codes: dict[str, int]) -> Int[np.ndarray, " N"]:
    """Codes of a text column; texts not seen before are added to `codes`."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    texts = [str(text or "").strip() for text in column.dictionary.to_pylist()]
    table = np.array([codes.setdefault(text, len(codes)) if text else -1 for text in [*texts, ""]])
    return table[column.indices.fill_null(len(texts)).to_numpy()].astype(np.int32)


def _times(column: pa.Array) -> tuple[Shaped[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
    """Time column of a batch, and which rows have a time."""
    if pa.types.is_timestamp(column.type):
        stamps = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
        return stamps.fill_null(0).to_numpy(), stamps.is_valid().to_numpy(zero_copy_only=False)
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    is_finite = np.isfinite(values)
    return np.where(is_finite, values, 0.0), is_finite


def _joined(blocks: list[np.ndarray], empty: np.ndarray) -> Shaped[np.ndarray, "N ..."]:
    """Blocks in one array; each is freed once copied, so that memory holds them about once."""
    if not blocks:
        return empty
    stop = sum(map(len, blocks))
    joined = np.empty((stop, *blocks[0].shape[1:]), blocks[0].dtype)
    while blocks:
        block = blocks.pop()
        joined[stop - len(block) : stop] = block
        stop -= len(block)
    return joined
