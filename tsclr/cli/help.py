"""Help of the program and of each command, as text."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tsclr.cli.command import Command
from tsclr.cli.output import WIDTH

if TYPE_CHECKING:
    from tsclr.config.options import Option

COLUMN = 30
"""Where the explanations begin."""


def overview(commands: Mapping[str, Command]) -> str:
    """Help of the program."""
    lines = [f"  {name:<12} {command.about[0]}" for name, command in commands.items()]
    return "\n".join(
        [
            "usage: tsclr COMMAND [options]",
            "",
            "Contrastive self-supervised learning on wearable sensor logs.",
            "",
            *lines,
            "",
            "tsclr COMMAND --help explains a command; --debug shows where an error arose.",
        ]
    )


def help_of(command: Command, complete: bool) -> str:
    """Help of a command: all of its options, or those that people use."""
    options = command.options()
    positional = [option for option in options if option.positional]
    words = [_usage(option) for option in positional]
    required = [f"--{o.name} {o.placeholder}" for o in options if _is_required(o)]
    named = [option for option in options if not option.positional]
    shown = named if complete else [each for each in named if each.name in command.common]
    if not complete:
        shown.sort(key=lambda option: command.common.index(option.name))
    lines = [
        " ".join(["usage: tsclr", command.name, *words, *required, "[options]"]),
        "",
        *command.about,
        "",
        "examples:",
        *(f"  tsclr {example}" for example in command.examples),
        "",
        *_table((_usage(option), _about(option)) for option in positional),
        *_table((f"--{option.name} {option.placeholder}", _about(option)) for option in shown),
    ]
    if command.open_blocks:
        blocks = ", ".join(f"--{block}.NAME VALUE" for block in command.open_blocks)
        lines += [f"  {blocks}: an argument of the class"] if complete else []
    if len(shown) < len(named):
        lines += _table([("--help-all", f"all {len(named)} options")])
    return "\n".join(lines)


def _is_required(option: "Option") -> bool:
    from tsclr.config.options import REQUIRED

    return option.default is REQUIRED and not option.positional and not option.raw


def _usage(option: "Option") -> str:
    """A positional in the first line."""
    from tsclr.config.options import REQUIRED

    name = f"{option.name.upper()}{' …' if option.many else ''}"
    return name if option.default is REQUIRED else f"[{name}]"


def _about(option: "Option") -> str:
    """What an option is for, and its default."""
    default = option.default
    if isinstance(default, list | tuple):
        default = ",".join(map(str, default))
    # What a preset may set has no default of its own; --print_config shows it.
    known = isinstance(default, str | int | float) and not isinstance(default, bool)
    return f"{option.about} (default: {default})" if known and not option.raw else option.about


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Names on the left, wrapped explanations on the right."""
    lines = []
    for name, about in rows:
        wrapped = textwrap.wrap(about, WIDTH - COLUMN) or [""]
        first = f"  {name.strip():<{COLUMN - 2}}"
        if len(first) > COLUMN:
            lines.append(first)
            first = " " * COLUMN
        lines += [first + wrapped[0], *(" " * COLUMN + line for line in wrapped[1:])]
    return [line.rstrip() for line in lines]
