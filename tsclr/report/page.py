"""Sections in, one self-contained HTML file out: ``page.html.jinja`` styled by ``page.css``."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tsclr.files import replacing
from tsclr.report.look import THEME, to_svg
from tsclr.report.section import Section, Table, number


def write_report(
    path: str | os.PathLike[str],
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    facts: Mapping[str, str],
    key_figures: Mapping[str, str] | None = None,
) -> Path:
    """Write one HTML file with everything in it; the same input gives the same bytes.

    The file appears whole or not at all: an older report stays until the new one is complete.

    Parameters
    ----------
    path : path
        Where to write; missing folders are created.
    title, subtitle : str
        Heading of the page.
    sections : sequence of Section
        From top to bottom.
    facts : mapping of str to str
        Settings, hardware and versions for a table at the end.
    key_figures : mapping of str to str, optional
        Name → value of the numbers that are shown large under the title.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        If the file cannot be written; what was at `path` is then unchanged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_report(f"{folder}/report.html", "Demo", "", [], {"seed": "0"})
    ...     "Demo" in path.read_text()
    True
    """
    page = _TEMPLATES.get_template("page.html.jinja").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        facts=facts,
        key_figures=key_figures or {},
        theme=THEME,
    )
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(page.encode("utf-8", errors="replace"))
    return Path(path)


def _svg(section: Section, prefix: str) -> str:
    """The figure of a section with every id under `prefix`; its texts are escaped already."""
    if section.figure is None:
        raise ValueError(f"section {section.title!r} has no figure")
    return to_svg(section.figure, prefix, section.title, section.description)


def _text_columns(table: Table) -> set[int]:
    """Columns that name rows by text: these are aligned left, numbers right."""
    return {
        column
        for column, dtype in enumerate(table.frame.dtypes.iloc[: table.names])
        if not pd.api.types.is_numeric_dtype(dtype)
    }


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"number": number, "svg": _svg, "text_columns": _text_columns}
