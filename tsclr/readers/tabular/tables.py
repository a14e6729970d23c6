"""A CSV or Parquet file and the columns wanted in, one NumPy array per kind of column out.

pyarrow parses in a stream: besides one block of the file, memory holds the wanted columns only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int, Shaped
from pyarrow import csv

MALFORMED_SHARE = 0.01
"""Rows with a wrong number of columns that are skipped and counted; more are an error."""

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
    time : (T,) int64 or float64, optional
        As written, or nanoseconds since 1970 where `is_date`; 0 where a cell is empty.
    timed : (T,) bool, optional
        Whether the row has a time.
    is_date : bool
        Whether the time column holds dates.
    texts : dict of str to Texts
        By column name.
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

    def schema(self) -> pa.Schema:
        """Names and types of all columns; those of a CSV from its first block.

        Raises
        ------
        ValueError
            If the file is not a table.
        """
        try:
            if self.is_parquet:
                with pq.ParquetFile(self.path) as file:
                    return file.schema_arrow
            with self._open_csv(csv.ConvertOptions(), []) as stream:
                return _decoded(stream.schema)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error

    def read(self, numbers: list[str], time: str | None, texts: list[str]) -> Table:
        """Read the columns `numbers`, `time` and `texts`.

        Raises
        ------
        ValueError
            If the file breaks off or a cell does not convert; the message names column, row and
            text.
        """
        types = {name: pa.float32() for name in numbers} | dict.fromkeys(texts, TEXT)
        if time is not None:
            types[time] = _time_type(time, self.schema().field(time).type)
        malformed: list[csv.InvalidRow] = []
        try:
            batches = self._parquet(list(types)) if self.is_parquet else self._csv(types, malformed)
            table = _collect(batches, numbers, time, texts, malformed)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._bad_cell(str(error)) or self._unreadable(error) from error
        _check_rows(table, malformed)
        return table

    def _open_csv(
        self, convert: csv.ConvertOptions, malformed: list[csv.InvalidRow]
    ) -> csv.CSVStreamingReader:
        """Stream over the batches; rows with a wrong number of columns go into `malformed`."""

        def skip(row: csv.InvalidRow) -> str:
            malformed.append(row)
            return "skip"

        parse = csv.ParseOptions(delimiter=self.delimiter, invalid_row_handler=skip)
        return csv.open_csv(self.path, parse_options=parse, convert_options=convert)

    def _csv(
        self, types: dict[str, pa.DataType], malformed: list[csv.InvalidRow]
    ) -> Iterator[pa.RecordBatch]:
        convert = csv.ConvertOptions(
            column_types=types, include_columns=list(types), strings_can_be_null=True
        )
        with self._open_csv(convert, malformed) as stream:
            yield from stream

    def _parquet(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(columns=names)

    def _bad_cell(self, message: str) -> ValueError | None:
        """Error that names column, row and text of the cell pyarrow stumbled over."""
        found = CONVERSION_ERROR.search(message)
        if not found:
            return None
        name, text = self.schema().names[int(found[1])], found[2]
        row = self._row_of(name, text)
        where = f"column {name!r}, data row {row}" if row else f"column {name!r}"
        return ValueError(
            f"{where}: cannot read {text!r} ({message.split(':')[1].strip()}); empty cells, NA and "
            "NaN mean a missing sample, remove anything else"
        )

    def _row_of(self, name: str, text: str) -> int:
        """Number of the first row that holds `text`, counted from 1; 0 if it is not found."""
        n_rows = 0
        for batch in self._csv({name: pa.binary()}, []):
            found = pc.index(batch.column(0), pa.scalar(text.encode(), pa.binary())).as_py()
            if found >= 0:
                return n_rows + found + 1
            n_rows += batch.num_rows
        return 0

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


def _decoded(schema: pa.Schema) -> pa.Schema:
    """The schema itself, once its names have turned out to be text."""
    if any("\0" in name for name in schema.names):
        raise pa.ArrowInvalid("zero bytes in the header: UTF-16 or a binary file")
    return schema


def _time_type(name: str, found: pa.DataType) -> pa.DataType:
    """Type to read a time column as, from the type pyarrow finds in its first block."""
    if pa.types.is_timestamp(found):
        return pa.timestamp("ns", found.tz)
    # Whole numbers in the first block do not mean that no fraction follows. Those that a float64
    # cannot hold exactly are UNIX nanoseconds, and these stay whole.
    if pa.types.is_integer(found) or pa.types.is_floating(found):
        return found if pa.types.is_int64(found) else pa.float64()
    raise ValueError(
        f"time column {name!r} holds {found}, expected numbers or dates such as "
        "2024-05-31 13:45:00.25 (ISO 8601, UTC unless an offset is written)"
    )


def _collect(
    batches: Iterator[pa.RecordBatch],
    numbers: list[str],
    time: str | None,
    texts: list[str],
    malformed: list[csv.InvalidRow],
) -> Table:
    """Convert batch by batch."""
    blocks, times, timed = [], [], []
    codes: dict[str, list[np.ndarray]] = {name: [] for name in texts}
    names: dict[str, dict[str, int]] = {name: {} for name in texts}
    is_date = False
    for batch in batches:
        blocks.append(_numbers(batch, numbers))
        for name in texts:
            codes[name].append(_codes(batch.column(name), names[name]))
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
            name: Texts(_joined(codes[name], np.empty(0, np.int32)), list(names[name]))
            for name in texts
        },
        n_malformed=len(malformed),
    )
