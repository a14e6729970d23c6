"""A CSV or Parquet file and the columns wanted in, a `Table` of them out, parsed in a stream."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from tsclr.readers.tabular.batches import Table, collect

MALFORMED_SHARE = 0.01
"""Rows with a wrong number of columns that are skipped and counted; more are an error."""

HEAD_BYTES = 1 << 18
"""Part of a CSV file that tells its columns and the form of its time stamps."""

NO_ROWS = "the file has a header but no rows"
TEXT = pa.dictionary(pa.int32(), pa.string())
CONVERSION_ERROR = re.compile(r"CSV column #(\d+):.*conversion error to .*?'(.*)'$", re.DOTALL)


@dataclass(frozen=True)
class File:
    """A table on disk and how it is delimited."""

    path: Path
    delimiter: str = ","

    @property
    def is_parquet(self) -> bool:
        """Whether the name ends in ``.parquet``."""
        return self.path.suffix.lower() == ".parquet"

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of all columns, those of a CSV from its first rows; or ``ValueError``."""
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

        ``ValueError`` if the file breaks off, or names column, row and text of a cell that does not
        convert.
        """
        types = {name: pa.float32() for name in numbers} | dict.fromkeys(texts.values(), TEXT)
        if time is not None:
            types[time] = _time_type(time, self.schema.field(time).type)
        malformed: list[csv.InvalidRow] = []
        try:
            batches = self._parquet(list(types)) if self.is_parquet else self._csv(types, malformed)
            table = replace(collect(batches, numbers, time, texts), n_malformed=len(malformed))
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
        # One thread: a stream that is closed early must not wait for another that calls Python.
        serial = csv.ReadOptions(use_threads=False)
        with csv.open_csv(self.path, serial, parse, convert) as stream:
            yield from stream

    def _parquet(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(columns=names)

    def _bad_cell(self, message: str) -> ValueError | None:
        """Error that names column, row and text of the cell pyarrow stumbled over."""
        match = CONVERSION_ERROR.search(message)
        if not match:
            return None
        name, text = self.schema.names[int(match[1])], match[2]
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
            index = pc.index(batch.column(0), pa.scalar(text.encode(), pa.binary())).as_py()
            if index >= 0 and not row:
                row = n_rows + index + 1
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


def _time_type(name: str, kind: pa.DataType) -> pa.DataType:
    """Type to read a time column as, from the type pyarrow finds in its first block."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ns", kind.tz)
    # Whole numbers in the first block do not mean that no fraction follows. A float64 keeps
    # UNIX nanoseconds to 0.2 µs.
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pa.float64()
    raise ValueError(
        f"time column {name!r} holds {kind}, expected numbers or dates such as "
        "2024-05-31 13:45:00.25 (ISO 8601, UTC unless an offset is written)"
    )


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
