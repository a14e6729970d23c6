"""Reads published archives: zip, zip within a zip, or unpacked.

An archive is found below the root in any of these places::

    root/hapt.zip          under any of its names; a zip file within it is looked into
    root/…/marker          unpacked, up to two folders down
    root                   the zip file itself
"""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from itertools import chain
from lzma import LZMAError
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pyarrow as pa
import pyarrow.csv
from jaxtyping import Float64
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from tsclr.files import replacing, sha256

Folder = Path | zipfile.Path
"""A folder on disk or within a zip archive; both have ``/`` and ``read_bytes``."""

DAMAGE = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError)


@contextmanager
def opened(root: Path, names: Sequence[str], marker: str) -> Iterator[Folder]:
    """Open the archive or the unpacked folder where the data begin.

    ``FileNotFoundError`` says where it was looked for if there is neither; ``ValueError`` if the
    zip file is damaged, is not what was downloaded, or holds no marker.
    """
    file = zip_file(root, names)
    with ExitStack() as stack:
        yield _unpacked(root, names, marker) if file is None else _inside(stack, file, marker)


def zip_file(root: Path, names: Sequence[str]) -> Path | None:
    """The archive, where there is one that is not unpacked."""
    zips = [root] if root.is_file() else [root / f"{name}.zip" for name in names]
    return next((path for path in zips if path.is_file()), None)


def download(url: str, archive: Path, published_hash: str | None, title: str) -> None:
    """Download an archive unless it is there; ``ValueError`` if its SHA-256 is not as expected.

    Where no hash is published, that of the first download is kept in a lock file beside the
    archive (``hapt.zip.sha256``) and holds from then on. An archive that somebody put there
    without a lock file is left as it is.
    """
    expected = published_hash or _locked_hash(archive)
    if archive.exists() and expected is None:
        return
    # Its advice to copy the hash into the code is not for our users.
    pooch.get_logger().setLevel("WARNING")
    with _ProgressBar(title) as bar:
        downloader: Any = pooch.HTTPDownloader(progressbar=bar)
        pooch.retrieve(url, expected, archive.name, archive.parent, downloader=downloader)
    if expected is None:
        with replacing(_lock_of(archive)) as temporary:
            temporary.write_text(f"{sha256(archive)}  {archive.name}\n")


def read_file(file: Folder) -> bytes:
    """Whole content of a file on disk or in an archive.

    Raises
    ------
    ValueError
        If it is missing or cannot be decompressed.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"{file} is missing, the official archive holds it") from error
    except DAMAGE as error:
        raise ValueError(f"{file} is damaged ({error}): fetch the archive again") from error


def parse_numbers(
    content: bytes, source: str, columns: tuple[str, ...], delimiter: str = ",", header: bool = True
) -> Float64[np.ndarray, "T C"]:
    r"""Parse the text of a table of numbers, a line for each row.

    With a header, `columns` are those to take, in this order; without, the names of all columns.
    Messages call the file `source`.

    Raises
    ------
    ValueError
        If the file is empty, a column is missing or too many, or a field is not a finite number.

    Examples
    --------
    >>> parse_numbers(b"1 2\n3 4\n", "a.txt", ("x", "y"), delimiter=" ", header=False)
    array([[1., 2.],
           [3., 4.]])
    """
    try:
        table = pyarrow.csv.read_csv(
            BytesIO(content),
            pyarrow.csv.ReadOptions(use_threads=False, column_names=None if header else columns),
            pyarrow.csv.ParseOptions(delimiter=delimiter),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.float64()),
                include_columns=columns,
                null_values=[],
            ),
        )
    except (pa.ArrowInvalid, KeyError) as error:
        expected = f"expected columns of numbers: {', '.join(columns)}"
        raise ValueError(f"{source}: {error.args[0]}; {expected}") from error
    values = np.column_stack([column.to_numpy() for column in table.columns])
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(f"{source}: row {row} after the header holds a number that is not finite")
    return values


def _lock_of(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.sha256")


def _locked_hash(archive: Path) -> str | None:
    lock = _lock_of(archive)
    return lock.read_text().split()[0] if lock.is_file() else None


def _unpacked(root: Path, names: Sequence[str], marker: str) -> Path:
    for depth in ("", "*/", "*/*/"):
        for anchor in sorted(root.glob(depth + marker)):
            return anchor.parents[marker.count("/")]
    zips = ", ".join(f"{name}.zip" for name in names)
    raise FileNotFoundError(f"looked in {root} for {zips} and for a folder with {marker}")


def _inside(stack: ExitStack, archive: Path, marker: str) -> zipfile.Path:
    """Folder of the marker in a zip file or in a zip file within it."""
    expected = _locked_hash(archive)
    if expected is not None and sha256(archive) != expected:
        raise ValueError(f"{archive} differs from what was downloaded: download it again")
    try:
        outer = stack.enter_context(zipfile.ZipFile(archive))
        inner = (name for name in sorted(outer.namelist()) if name.endswith(".zip"))
        folders = chain([outer], (_nested(stack, outer, name) for name in inner))
        anchor = next(filter(None, (_anchor(folder, marker) for folder in folders)), None)
    except DAMAGE as error:
        raise ValueError(f"{archive} is damaged ({error}): download it again") from error
    if anchor is None:
        raise ValueError(f"{archive} does not contain {marker}: it is not the official archive")
    return anchor


def _nested(stack: ExitStack, outer: zipfile.ZipFile, name: str) -> zipfile.ZipFile:
    inner = stack.enter_context(zipfile.ZipFile(BytesIO(outer.read(name))))
    inner.filename = f"{outer.filename}/{name}"  # for messages
    return inner


def _anchor(archive: zipfile.ZipFile, marker: str) -> zipfile.Path | None:
    for name in sorted(archive.namelist()):
        if f"/{name}".endswith(f"/{marker}"):
            return zipfile.Path(archive, name.removesuffix(marker))
    return None


class _ProgressBar:
    """What pooch asks of a progress bar, drawn by rich on the error stream."""

    total = 0  # bytes; pooch sets it, to 0 where the server does not tell

    def __init__(self, title: str):
        columns = (TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Any:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, n_bytes: int) -> None:
        self._progress.update(self._task, advance=n_bytes, total=self.total or None)

    def reset(self) -> None:
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        self._progress.stop()
