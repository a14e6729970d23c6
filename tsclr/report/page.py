"""Sections in, one HTML file that asks for nothing from outside out."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from tsclr.files import replacing
from tsclr.report.look import THEME, to_svg
from tsclr.report.section import Section, Table, number

CSS = """
*{box-sizing:border-box}
html{color-scheme:light dark;background:var(--paper);color:var(--ink);
 font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
body{max-width:61rem;margin:0 auto;padding:3rem 1.5rem 4rem}
h1{font-size:2rem;line-height:1.2;margin:0;letter-spacing:-.015em}
h2{font-size:1.3rem;line-height:1.3;margin:0 0 .3rem;letter-spacing:-.01em}
p{max-width:44rem;margin:.3rem 0 1rem}
a{color:var(--accent)}
.subtitle{color:var(--soft);font-size:1.1rem}
.keys{display:flex;flex-wrap:wrap;gap:1.2rem 2.5rem;margin:1.8rem 0}
.keys div{display:flex;flex-direction:column-reverse;justify-content:flex-end;
 border-left:3px solid var(--accent);padding-left:.8rem}
.keys dt{color:var(--soft);font-size:.875rem;max-width:15rem;line-height:1.35}
.keys dd{margin:0;font-size:1.6rem;line-height:1.25;font-weight:600;
 font-variant-numeric:tabular-nums}
nav{font-size:.9rem;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem}
section{border-top:1px solid var(--rule);margin-top:2.2rem;padding-top:1.6rem}
.scroll{overflow-x:auto}
figure{margin:0}
svg{display:block;width:100%;min-width:40rem;height:auto}
svg *{stroke-linejoin:round;stroke-linecap:butt}
svg text{font-family:inherit;font-variant-numeric:tabular-nums}
details{margin-top:.8rem}
summary{color:var(--soft);font-size:.9rem;cursor:pointer}
table{border-collapse:collapse;font-size:.875rem;line-height:1.4;margin:.6rem 0;
 font-variant-numeric:tabular-nums}
th,td{padding:.3rem .9rem .3rem 0;text-align:right;white-space:nowrap;vertical-align:baseline;
 border-bottom:1px solid var(--rule)}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--soft);font-weight:500}
tbody th{font-weight:400}
.name,.facts td{text-align:left}
.facts th{color:var(--soft);vertical-align:top;padding-right:2rem}
.facts td{white-space:normal;overflow-wrap:anywhere}
@media print{
 html{font-size:11px}
 body{max-width:none;padding:0}
 nav,summary{display:none}
 details::details-content{content-visibility:visible;display:block;height:auto}
 svg{min-width:0}
 h2,p{break-after:avoid}
 figure,.picture,tr,.keys{break-inside:avoid}
 .scroll{overflow:visible}
}
"""


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
        Where to write; missing folders are made.
    title, subtitle : str
        Head of the page.
    sections : sequence of Section
        In the order of the page.
    facts : mapping of str to str
        Settings, hardware and versions, a table at the end.
    key_figures : mapping of str to str, optional
        What a figure is → the figure, shown large under the title.

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
    page = _page(title, subtitle, sections, facts, key_figures or {})
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(page.encode("utf-8", errors="replace"))
    return Path(path)


def _page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    facts: Mapping[str, str],
    key_figures: Mapping[str, str],
) -> str:
    """The whole document. Its policy forbids the browser any request."""
    parts = [f"<section id=s{i}>{_section(s, f'f{i}')}</section>" for i, s in enumerate(sections)]
    links = [f'<a href="#s{i}">{escape(s.title)}</a>' for i, s in enumerate(sections)]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{_theme()}{CSS}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="subtitle">{escape(subtitle)}</p>
{_key_figures(key_figures)}
<nav aria-label="Sections">{" ".join([*links, '<a href="#facts">Settings and versions</a>'])}</nav>
</header>
<main>
{"".join(parts)}
<section id="facts"><h2>Settings and versions</h2>{_facts(facts)}</section>
</main>
</body>
</html>
"""


def _theme() -> str:
    """CSS variables of the colours: light, dark where the reader asks for it, light on paper."""
    light, dark = (
        ";".join(f"--{name}:{pair[place]}" for name, pair in THEME.items()) for place in (0, 1)
    )
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _key_figures(key_figures: Mapping[str, str]) -> str:
    """Large figures with what they are."""
    pairs = [
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in key_figures.items()
    ]
    return f'<dl class="keys">{"".join(pairs)}</dl>' if pairs else ""


def _facts(facts: Mapping[str, str]) -> str:
    """Names and values, both text."""
    rows = [
        f'<tr><th scope="row" class="name">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in facts.items()
    ]
    return f'<div class="scroll"><table class="facts"><tbody>{"".join(rows)}</tbody></table></div>'


def _section(section: Section, prefix: str) -> str:
    """Heading, prose, picture, numbers; the numbers are folded where there is a picture."""
    head = f"<h2>{escape(section.title)}</h2><p>{escape(section.reading)}</p>"
    table = _table(section.table) if section.table else ""
    if section.figure:
        svg = to_svg(section.figure, prefix, section.title, section.description)
        head += f'<figure class="scroll">{svg}</figure>'
        if table:
            table = f"<details><summary>The numbers</summary>{table}</details>"
    return f'<div class="picture">{head}</div>{table}'


def _table(table: Table) -> str:
    """A table whose first columns name the rows."""
    head = [
        f'<th scope="col"{_left(column, table)}>{escape(str(name))}</th>'
        for column, name in enumerate(table.frame.columns)
    ]
    rows = [
        "<tr>" + "".join(_cell(table, row, column) for column in range(len(head))) + "</tr>"
        for row in range(len(table.frame))
    ]
    return (
        f'<div class="scroll"><table><thead><tr>{"".join(head)}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(table: Table, row: int, column: int) -> str:
    """One cell, a row's name or a number."""
    text = escape(number(table.frame.iloc[row, column]))
    if (row, column) in table.strong:
        text = f"<strong>{text}</strong>"
    if column < table.names:
        return f'<th scope="row"{_left(column, table)}>{text}</th>'
    return f"<td>{text}</td>"


def _left(column: int, table: Table) -> str:
    """Text stands left, numbers stand right."""
    is_number = pd.api.types.is_numeric_dtype(table.frame.dtypes.iloc[column])
    return ' class="name"' if column < table.names and not is_number else ""
