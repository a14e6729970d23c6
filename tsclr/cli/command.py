"""What a command is: options, help and the function that runs it.

``tsclr --help`` imports this module; options and functions import what they need when called.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tsclr.config.changes import tree
from tsclr.config.options import REQUIRED, Option, UsageError, parse_words
from tsclr.specs import Builder

Given = dict[str, Any]
"""Values of the options of a command by name; what changes a file is a tree in ``changes``."""
CHANGES = "changes"
COMMANDS: dict[str, "Command"] = {}


@dataclass(frozen=True)
class Command:
    """A command of ``tsclr``; the names in `common` are the options of the short help."""

    name: str
    run: Callable[[Given], None]
    options: Callable[[], list[Option]]
    common: Sequence[str]

    @property
    def about(self) -> str:
        """What it does, with examples; the first line is in the overview as well."""
        return inspect.cleandoc(self.run.__doc__ or "")

    def read(self, words: Sequence[str]) -> Given:
        """Values of all options; raises UsageError or SpecError where one cannot be used."""
        options = self.options()
        typed = parse_words(words, options)
        given: Given = {}
        for option in options:
            if option.raw:
                continue
            if option.name in typed:
                kind = list[option.kind] if option.many else option.kind
                value = typed.pop(option.name)
                given[option.name] = Builder(importing=True).build(kind, value, option.label)
            elif option.default is REQUIRED:
                raise UsageError(f"{option.label} is missing: {option.about}")
            else:
                given[option.name] = option.default
        return given | {CHANGES: tree(typed)}


def command(
    name: str, options: Callable[[], list[Option]], common: str = ""
) -> Callable[[Callable[[Given], None]], Callable[[Given], None]]:
    """Make a function a command."""

    def register(function: Callable[[Given], None]) -> Callable[[Given], None]:
        COMMANDS[name] = Command(name, function, options, common.split())
        return function

    return register
