"""Paths in, the files a reader can read out; and the `Reader` that turns a file into recordings."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from tsclr.types import Recording


class Reader(ABC):
    """One kind of file: which suffixes it has, and how it becomes recordings."""

    suffixes: ClassVar[tuple[str, ...]]
    """File name endings, lower case, with the dot."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[Recording]:
        """Read one file.

        Parameters
        ----------
        path : Path
            The file.

        Yields
        ------
        Recording
            One for each gap-free stretch of one subject, at a regular rate, in the units of
            `types.UNITS`. The first holds the repairs made in the whole file.

        Raises
        ------
        ValueError
            If the file cannot be read; the message names the file and what to do.
        """


def find_files(paths: Iterable[Path | str], suffixes: Iterable[str]) -> list[Path]:
    """Files named by `paths`, and those below its folders, that end in one of `suffixes`.

    Parameters
    ----------
    paths : iterable of Path or str
        Files and folders. Hidden files and folders inside a folder are left out.
    suffixes : iterable of str
        Endings such as ``.csv``; case does not count.

    Returns
    -------
    list of Path
        Sorted, each file once.

    Raises
    ------
    ValueError
        If a path does not exist, a file ends otherwise, or there is no file at all.

    Examples
    --------
    >>> find_files(["no_such_folder"], [".csv"])
    Traceback (most recent call last):
        ...
    ValueError: no_such_folder: no such file or folder
    """
    endings = tuple(sorted(suffix.lower() for suffix in suffixes))
    roots = [Path(path) for path in paths]
    files: set[Path] = set()
    for path in roots:
        files |= _files_at(path, endings)
    if not files:
        where = ", ".join(map(str, roots)) or "no path given"
        raise ValueError(f"no file to read in {where}: names must end in {', '.join(endings)}")
    return sorted(files)


def _files_at(path: Path, endings: tuple[str, ...]) -> set[Path]:
    """The file itself, or the files below a folder."""
    if path.is_file():
        if not path.name.lower().endswith(endings):
            raise ValueError(f"{path}: name must end in {', '.join(endings)}")
        return {path}
    if not path.is_dir():
        raise ValueError(f"{path}: no such file or folder")
    return {
        file
        for file in path.rglob("*")
        if file.name.lower().endswith(endings)
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    }
