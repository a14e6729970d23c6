"""A CSV or Parquet file and the columns wanted in, one NumPy array per kind of column out.

pyarrow parses in a stream: besides one block of the file, memory holds the wanted columns only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int, Shaped
from pyarrow import csv

MALFORMED_SHARE = 0.01
"""Rows with a wrong number of columns that are skipped and counted; more are an error."""

HEAD_BYTES = 1 << 18
"""Part of a CSV file that tells its columns and the form of its time stamps."""

NO_ROWS = "the file has a header but no rows"
TEXT = pa.dictionary(pa.int32(), pa.string())
CONVERSION_ERROR = re.compile(r"CSV column #(\d+):.*conversion error to .*?'(.*)'$", re.DOTALL)


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
    n_malformed: int


@dataclass(frozen=True)
class File:
    """A table on disk and how it is delimited.

    Parameters
    ----------
    path : Path
        Parquet if it ends so, else CSV.
    delimiter : str
        Between the columns of a CSV row.
    """

    path: Path
    delimiter: str = ","

    @property
    def is_parquet(self) -> bool:
        """Whether the name ends in ``.parquet``."""
        return self.path.suffix.lower() == ".parquet"

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of all columns; those of a CSV from its first rows.

        Raises
        ------
        ValueError
            If the file is not a table.
        """
        try:
            if self.is_parquet:
                with pq.ParquetFile(self.path) as file:
                    return file.schema_arrow
            return self._head().schema
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error

    def _head(self) -> pa.Table:
        """The first rows of a CSV file, with the types that pyarrow finds."""
        with pa.input_stream(self.path) as file:
            head = file.read(HEAD_BYTES)
        if len(head) == HEAD_BYTES:
            head = head[: head.rfind(b"\n") + 1]
        if b"\0" in head:
            raise pa.ArrowInvalid("zero bytes: UTF-16 or a binary file")
        serial = csv.ReadOptions(use_threads=False)
        table = csv.read_csv(pa.BufferReader(head), serial, self._parse_options([]))
        _ = table.column_names  # bytes that are not UTF-8 come to light here
        if len(head.splitlines()) < 2:
            raise ValueError(NO_ROWS)
        return table

    def read(self, numbers: list[str], time: str | None, texts: dict[str, str]) -> Table:
        """Read the columns `numbers`, `time` and `texts` (column of each role).

        Raises
        ------
        ValueError
            If the file breaks off or a cell does not convert; the message names column, row and
            text.
        """
        types = {name: pa.float32() for name in numbers} | dict.fromkeys(texts.values(), TEXT)
        if time is not None:
            types[time] = _time_type(time, self.schema.field(time).type)
        malformed: list[csv.InvalidRow] = []
        try:
            batches = self._parquet(list(types)) if self.is_parquet else self._csv(types, malformed)
            table = _collect(batches, numbers, time, texts, malformed)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._bad_cell(str(error)) or self._unreadable(error) from error
        _check_rows(table, malformed)
        return table

    def _parse_options(self, malformed: list[csv.InvalidRow]) -> csv.ParseOptions:
        """Settings under which rows with a wrong number of columns go into `malformed`."""

        def skip(row: csv.InvalidRow) -> str:
            malformed.append(row)
            return "skip"

        return csv.ParseOptions(delimiter=self.delimiter, invalid_row_handler=skip)

    def _csv(
        self, types: dict[str, pa.DataType], malformed: list[csv.InvalidRow]
    ) -> Iterator[pa.RecordBatch]:
        convert = csv.ConvertOptions(
            column_types=types, include_columns=list(types), strings_can_be_null=True
        )
        parse = self._parse_options(malformed)
        with csv.open_csv(self.path, parse_options=parse, convert_options=convert) as stream:
            yield from stream

    def _parquet(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(columns=names)

    def _bad_cell(self, message: str) -> ValueError | None:
        """Error that names column, row and text of the cell pyarrow stumbled over."""
        found = CONVERSION_ERROR.search(message)
        if not found:
            return None
        name, text = self.schema.names[int(found[1])], found[2]
        row = self._row_of(name, text)
        where = f"column {name!r}, data row {row}" if row else f"column {name!r}"
        return ValueError(
            f"{where}: cannot read {text!r} ({message.split(':')[1].strip()}); empty cells, NA and "
            "NaN mean a missing sample, remove anything else"
        )

    def _row_of(self, name: str, text: str) -> int:
        """Number of the first row that holds `text`, counted from 1; 0 if it is not found."""
        # To the end of the file even so: a stream left half-way can abort Python when it exits.
        n_rows = row = 0
        for batch in self._csv({name: pa.binary()}, []):
            found = pc.index(batch.column(0), pa.scalar(text.encode(), pa.binary())).as_py()
            if found >= 0 and not row:
                row = n_rows + found + 1
            n_rows += batch.num_rows
        return row

    def _unreadable(self, error: Exception) -> ValueError:
        """Error for a file that is no table at all."""
        if self.path.is_file() and self.path.stat().st_size == 0:
            return ValueError("the file is empty")
        expected = (
            "a complete Parquet file (was the copy cut short?)"
            if self.is_parquet
            else f"UTF-8 text with a header row and columns separated by {self.delimiter!r}"
        )
        return ValueError(f"cannot be read, expected {expected}: {str(error)[:200]!r}")


def _time_type(name: str, found: pa.DataType) -> pa.DataType:
    """Type to read a time column as, from the type pyarrow finds in its first block."""
    if pa.types.is_timestamp(found):
        return pa.timestamp("ns", found.tz)
    # Whole numbers in the first block do not mean that no fraction follows. A float64 keeps
    # UNIX nanoseconds to 0.2 µs.
    if pa.types.is_integer(found) or pa.types.is_floating(found):
        return pa.float64()
    raise ValueError(
        f"time column {name!r} holds {found}, expected numbers or dates such as "
        "2024-05-31 13:45:00.25 (ISO 8601, UTC unless an offset is written)"
    )


def _collect(
    batches: Iterator[pa.RecordBatch],
    numbers: list[str],
    time: str | None,
    texts: dict[str, str],
    malformed: list[csv.InvalidRow],
) -> Table:
    """Convert batch by batch."""
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
            values, known = _times(column)
            times.append(values)
            timed.append(known)
    return Table(
        numbers=_joined(blocks, np.empty((0, len(numbers)), np.float32)),
        time=None if time is None else _joined(times, np.empty(0)),
        timed=None if time is None else _joined(timed, np.empty(0, bool)),
        is_date=is_date,
        texts={
            role: Texts(_joined(codes[role], np.empty(0, np.int32)), list(names[role]))
            for role in texts
        },
        n_malformed=len(malformed),
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


def _codes(column: pa.Array, known: dict[str, int]) -> Int[np.ndarray, " N"]:
    """Codes of a text column; texts not seen before are added to `known`."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    texts = [str(text or "").strip() for text in column.dictionary.to_pylist()]
    table = np.array([known.setdefault(text, len(known)) if text else -1 for text in [*texts, ""]])
    return table[column.indices.fill_null(len(texts)).to_numpy()].astype(np.int32)


def _times(column: pa.Array) -> tuple[Shaped[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
    """Time column of a batch, and which rows have a time."""
    if pa.types.is_timestamp(column.type):
        whole = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
        return whole.fill_null(0).to_numpy(), whole.is_valid().to_numpy(zero_copy_only=False)
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    known = np.isfinite(values)
    return np.where(known, values, 0.0), known


def _joined(blocks: list[np.ndarray], empty: np.ndarray) -> Shaped[np.ndarray, "N ..."]:
    """Blocks in one array; each is freed once copied, so that memory holds them about once."""
    if not blocks:
        return empty
    stop = sum(map(len, blocks))
    whole = np.empty((stop, *blocks[0].shape[1:]), blocks[0].dtype)
    while blocks:
        block = blocks.pop()
        whole[stop - len(block) : stop] = block
        stop -= len(block)
    return whole


def _check_rows(table: Table, malformed: list[csv.InvalidRow]) -> None:
    """Raise if there are no rows, or too many with a wrong number of columns."""
    n_rows = len(table.numbers)
    if len(malformed) > max(1, MALFORMED_SHARE * n_rows):
        row = malformed[0]
        raise ValueError(
            f"{len(malformed)} of {n_rows + len(malformed)} rows do not have the "
            f"{row.expected_columns} columns of the header, the first is {row.text[:80]!r} with "
            f"{row.actual_columns}; check the delimiter and whether the file is complete"
        )
    if n_rows == 0:
        raise ValueError(NO_ROWS)
