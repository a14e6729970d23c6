"""What a command prints: results on standard output, everything else on standard error."""

import logging
import os
import shlex
import sys
from typing import Any

WIDTH = 100
"""Columns of a table, at most."""


class LogLines(logging.Handler):
    """Log lines on what standard error is by then: a progress bar puts them above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        note(self.format(record))


def is_first_process() -> bool:
    """Whether this is the only process, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str) -> None:
    """Print a result, once where torchrun started several processes."""
    if is_first_process():
        print(text)  # noqa: T201


def say_next(*words: object, note: str = "") -> None:
    """Print the last line of a command: what to run next, quoted so that it can be pasted."""
    say(f"next: {shlex.join(map(str, words))}{note and f'  # {note}'}")


def say_table(table: Any, caption: str) -> None:
    """Print a DataFrame under a line that says what it shows."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in map(str, table.columns):
        shown.add_column(name, overflow="fold")
    for row in table.itertuples(index=False):
        shown.add_row(*map(str, row))
    say(caption)
    width = min(WIDTH, Console().width) if sys.stdout.isatty() else WIDTH
    Console(width=width).print(shown)


def note(text: str) -> None:
    """Print what is no result."""
    print(text, file=sys.stderr)  # noqa: T201
