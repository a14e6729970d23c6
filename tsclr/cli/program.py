"""``tsclr``: finds the command, runs it, and turns a user's mistake into one line."""

import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tsclr import __version__
from tsclr.cli import data, learn, score, use  # noqa: F401  # they register their commands
from tsclr.cli.command import CHANGES, COMMANDS, Command, Given
from tsclr.cli.help import help_of, overview
from tsclr.cli.output import LogLines, is_first_process, note, say
from tsclr.config.options import UsageError
from tsclr.specs import SpecError, nearest

FAILED, USAGE, INTERRUPTED = 1, 2, 130
HELP = ("-h", "--help", "--help-all", "--help_all")


def main(words: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    words : sequence of str, optional
        The command line, without the program; that of the process by default.

    Returns
    -------
    int
        0 if all is well, 1 if the command failed, 2 if it was not understood.
    """
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in HELP:
        say(overview(COMMANDS))
        return 0 if words else USAGE
    if words[0] == "--version":
        say(__version__)
        return 0
    name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
    family = {other: command for other, command in COMMANDS.items() if other.split()[0] == name}
    if name not in family and family and (len(words) == 1 or words[1] in HELP):
        say(overview(family))
        return 0
    if name not in COMMANDS:
        name = " ".join(words[:2]) if family else name
        note(f"tsclr: no command {name!r}: {nearest(name, family or COMMANDS)}")
        return USAGE
    prepare()
    return run(COMMANDS[name], words, debug)


def prepare() -> None:
    """Set up what all commands share: log lines, and a path to classes of a user's own."""
    if "WORLD_SIZE" in os.environ:  # torch remarks on a setting of DDP that is meant
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # spawned processes get it as well
    level = logging.INFO if is_first_process() else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[LogLines()])


def run(command: Command, words: list[str], debug: bool) -> int:
    """Run a command; a user's mistake becomes one line, unless they want to see all."""
    arguments = words[len(command.name.split()) :]
    given: Given = {}
    try:
        if any(word in HELP for word in arguments):
            say(help_of(command, complete=not {"-h", "--help"} & set(arguments)))
            return 0
        given = command.read(arguments)
        command.run(given)
    except KeyboardInterrupt as interrupt:
        # Most commands go on where they were interrupted if they are typed again.
        note(f"tsclr: interrupted; to go on: {str(interrupt) or shlex.join(['tsclr', *words])}")
        return INTERRUPTED
    except UsageError as error:
        note(f"tsclr: {error}\n  see tsclr {command.name} --help")
        return USAGE
    except (ValueError, LookupError, OSError, ArithmeticError) as error:
        if debug:
            raise
        note(f"tsclr: {_message(error, given)}")
        return USAGE if isinstance(error, SpecError) else FAILED
    return 0


def _message(error: Exception, given: Given) -> str:
    """An error in a line; one in what was typed begins with the option."""
    if isinstance(error, SpecError):
        typed = not error.source and re.split(r"[.\[]", error.path)[0] in given.get(CHANGES, {})
        return f"--{error}" if typed else str(error)
    if isinstance(error, OSError) and error.errno and error.filename:
        reason = (error.strerror or "failed").lower()
        return f"cannot read or write {error.filename}: {reason}; check the path, or use another"
    return str(error.args[0] if isinstance(error, KeyError) and error.args else error)
