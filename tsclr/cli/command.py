"""What a command is: options, help and the function that runs it.

``tsclr --help`` imports this module; only the command itself imports what knows its options.
"""

import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsclr.config.options import Option

Given = dict[str, Any]
"""Values of the options of a command by name; those of a config are in ``changes``."""
COMMANDS: dict[str, "Command"] = {}
CHANGES = "changes"
CONFIG = "config"


def same_again(words: Sequence[str]) -> str:
    """The command line as it was typed: most commands go on where they were interrupted."""
    return shlex.join(["tsclr", *words])


@dataclass(frozen=True)
class Command:
    """A command of ``tsclr``.

    Parameters
    ----------
    name : str
        Its words, such as ``bench audit``.
    run : callable
        Does it; the docstring has the line of the overview and, below it, a second one.
    options : callable
        Gives the options.
    examples : sequence of str
        Command lines without the program.
    common : sequence of str
        Options that the short help has.
    open_blocks : sequence of str
        Blocks of a config whose settings depend on the class that is chosen.
    again : callable
        Command line that goes on after an interruption, from the words of this one.
    """

    name: str
    run: Callable[[Given], None]
    options: "Callable[[], list[Option]]"
    examples: Sequence[str]
    common: Sequence[str]
    open_blocks: Sequence[str] = ()
    again: Callable[[Sequence[str]], str] = same_again

    @property
    def about(self) -> list[str]:
        """Lines of the help: what it does."""
        return [line for line in (inspect.getdoc(self.run) or "").splitlines() if line]

    def read(self, words: Sequence[str]) -> Given:
        """Values of all options, those of a ``--config`` included.

        Raises
        ------
        UsageError
            If an option is unknown, missing, or lacks its value.
        SpecError
            If a value cannot be used.
        """
        from tsclr.config.options import REQUIRED, UsageError, parse_words, tree

        options = self.options()
        typed = parse_words(words, options, self.open_blocks)
        given: Given = {}
        values = _with_config(typed, options)
        for option in options:
            if option.name in values:
                given[option.name] = _built(option, values[option.name], typed)
            elif option.default is REQUIRED and not option.raw:
                name = option.name.upper() if option.positional else f"--{option.name}"
                raise UsageError(f"{name} is missing: {option.about}")
            elif not option.raw:
                given[option.name] = option.default
        return given | {CHANGES: tree({n: v for n, v in typed.items() if n not in given})}


def _built(option: "Option", value: Any, typed: Given) -> Any:
    """Value of an option; an error says whether it is on the command line or in ``--config``."""
    from tsclr.specs import Builder, SpecError

    kind = list[option.kind] if option.many else option.kind
    is_typed = option.name in typed
    path = f"--{option.name}" if is_typed and not option.positional else option.name
    try:
        return Builder(importing=True).build(kind, value, path)
    except SpecError as error:
        raise (error if is_typed else error.within(typed[CONFIG])) from error


def _with_config(typed: Given, options: "Sequence[Option]") -> Given:
    """Values as typed, over those of the YAML that ``--config`` names."""
    from tsclr.specs import SpecError, nearest, read_yaml

    plain = {option.name for option in options if not option.raw}
    values = {name: value for name, value in typed.items() if name in plain}
    if CONFIG not in plain or CONFIG not in typed:
        return values
    file = Path(typed[CONFIG])
    contents = read_yaml(file)
    for name in contents:
        if name not in plain:
            raise SpecError(name, f"no option {name!r}: {nearest(name, plain)}", str(file))
    return contents | values


def command(
    name: str,
    options: "Callable[[], list[Option]]",
    examples: Sequence[str],
    common: str = "",
    **more: Any,
) -> Callable[[Callable[[Given], None]], Callable[[Given], None]]:
    """Make a function a command."""

    def register(function: Callable[[Given], None]) -> Callable[[Given], None]:
        COMMANDS[name] = Command(name, function, options, examples, common.split(), **more)
        return function

    return register
