"""Help of the program and of each command, as text."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from tsclr.cli.command import Command
from tsclr.cli.output import WIDTH
from tsclr.config.options import REQUIRED, Option

COLUMN = 30
"""Where the explanations begin."""
OVERVIEW = """usage: tsclr COMMAND [options]

Contrastive self-supervised learning on wearable sensor data.

{commands}

tsclr COMMAND --help explains a command; --debug shows where an error arose.
The docs are in the folder docs of the repository; docs/quickstart.md is the place to start."""


def overview(commands: Mapping[str, Command]) -> str:
    """Help of the program."""
    lines = [f"  {name:<12} {command.about.splitlines()[0]}" for name, command in commands.items()]
    return OVERVIEW.format(commands="\n".join(lines))


def help_of(command: Command, complete: bool) -> str:
    """Help of a command: all of its options, or those that people use."""
    options = command.options()
    positional = [option for option in options if option.positional]
    named = {option.name: option for option in options if not option.positional}
    required = [o for o in named.values() if o.default is REQUIRED and not o.raw]
    shown = list(named.values()) if complete else [named[name] for name in command.common]
    usage = ["usage: tsclr", command.name, *map(_usage, positional + required)]
    lines = [
        " ".join([*usage, "[options]"] if named else usage),
        "",
        command.about,
        "",
        *(row for option in positional + shown for row in _rows(option)),
    ]
    if len(shown) < len(named):
        lines.append(_row("--help-all", f"Show all {len(named)} options"))
    return "\n".join(lines).rstrip()


def _usage(option: Option) -> str:
    """An option as it is typed; in brackets where it can be left out."""
    if not option.positional:
        return f"{option.label} {option.placeholder}".rstrip()
    name = f"{option.label}{' …' if option.many else ''}"
    return name if option.default is REQUIRED else f"[{name}]"


def _rows(option: Option) -> Iterator[str]:
    """What an option is for, and its default."""
    default = option.default
    if isinstance(default, list | tuple) and all(isinstance(item, int | str) for item in default):
        default = ",".join(map(str, default))
    # What a preset may set has no default of its own; --print-config shows it.
    fixed = isinstance(default, str | int | float | Path) and "." not in option.name
    shown = fixed and not isinstance(default, bool)
    about = f"{option.about} (default: {default})" if shown else option.about
    yield _row(_usage(option), about)
    if option.names_class:
        yield _row(f"{option.label}.NAME VALUE", "Argument of that class")


def _row(name: str, about: str) -> str:
    """A name on the left, its wrapped explanation on the right."""
    margin = " " * COLUMN
    text = textwrap.fill(about, WIDTH, initial_indent=margin, subsequent_indent=margin)
    return f"  {name}\n{text}" if len(name) > COLUMN - 4 else f"  {name:<26}  {text[COLUMN:]}"
