"""Signatures and their numpydoc in, options of the command line out."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from tsclr.specs import Word, nearest
from tsclr.specs.build import parameters
from tsclr.specs.scalars import TRUTH

REQUIRED = inspect.Parameter.empty
PARAMETER = re.compile(r"^(\w[\w, ]*) :", re.MULTILINE)
MARKUP = re.compile(r"`+|\s*\[\d\]_")

PLACEHOLDERS = {list: "A,B", Sequence: "A,B", int: "N", float: "X", Path: "PATH"}
"""What stands for a value of a kind; otherwise it is the name of the option."""


class UsageError(ValueError):
    """The words of a command line cannot be understood."""


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Parameters
    ----------
    name : str
        As it is typed after the dashes, with dots for settings of a block.
    kind : annotation
        What its value becomes.
    about : str
        One sentence.
    default : object
        Value where it is left out; `REQUIRED` where it cannot be.
    positional : bool
        Typed without its name.
    many : bool
        A positional that takes all words that are left.
    raw : bool
        A setting of a config, which is built with the rest of it.
    """

    name: str
    kind: Any
    about: str = ""
    default: Any = None
    positional: bool = False
    many: bool = False
    raw: bool = False

    @property
    def is_flag(self) -> bool:
        """Whether the name alone means true."""
        return self.kind is bool or bool in get_args(self.kind)

    @property
    def placeholder(self) -> str:
        """What stands for the value in a help."""
        if self.kind is bool:
            return ""
        if get_origin(self.kind) is Literal:
            return "|".join(map(str, get_args(self.kind)))
        kinds = get_args(self.kind) if get_origin(self.kind) in (Union, UnionType) else [self.kind]
        origins = [get_origin(kind) or kind for kind in kinds]
        found = (word for kind, word in PLACEHOLDERS.items() if kind in origins)
        return next(found, self.name.rpartition(".")[2].upper())


def options_of(
    call: Callable[..., Any],
    prefix: str = "",
    skip: Iterable[str] = (),
    positional: Iterable[str] = (),
    raw: bool = False,
) -> list[Option]:
    """Options that stand for the parameters of a function or a class.

    Examples
    --------
    >>> from tsclr.train.settings import Training
    >>> option = options_of(Training, "training.")[0]
    >>> option.name, option.default, option.about
    ('training.epochs', 20, 'Passes over the training windows')
    """
    docs = parameter_docs(call)
    defaults = {}
    if isinstance(call, type) and is_dataclass(call):
        made = {each.name: each.default_factory for each in fields(call)}
        defaults = {name: make() for name, make in made.items() if make is not MISSING}
    return [
        Option(
            prefix + name,
            parameter.annotation,
            docs.get(name, ""),
            defaults.get(name, parameter.default),
            name in positional,
            raw=raw,
        )
        for name, parameter in parameters(call).items()
        if name not in skip
    ]


def parameter_docs(call: Callable[..., Any]) -> dict[str, str]:
    """First sentence of the numpydoc of each parameter, without markup."""
    text = inspect.getdoc(call) or ""
    _, _, section = text.partition("Parameters\n----------\n")
    section = re.split(r"\n\n\w+\n-+\n", section)[0]
    pieces = PARAMETER.split(section)[1:]
    docs = {}
    for names, described in zip(pieces[::2], pieces[1::2], strict=True):
        _, _, body = described.partition("\n")
        sentence = re.split(r"(?<=\w)[.;](?:\s|$)", " ".join(body.split()))[0]
        sentence = MARKUP.sub("", sentence).rstrip(". ")
        docs |= dict.fromkeys(names.split(", "), sentence)
    return docs


def parse_words(
    words: Sequence[str], options: Sequence[Option], open_blocks: Sequence[str] = ()
) -> dict[str, Any]:
    """Values on a command line by the name of their option, as they are typed.

    Raises
    ------
    UsageError
        If an option is unknown, lacks its value or is there twice, or a word is too many.

    Examples
    --------
    >>> options = [Option("log_rate", float), Option("whiten", bool)]
    >>> options += [Option("run", str, positional=True)]
    >>> parse_words(["--whiten", "runs/a", "--log-rate=50"], options)
    {'whiten': 'true', 'run': 'runs/a', 'log_rate': '50'}
    """
    named = {option.name: option for option in options if not option.positional}
    waiting = [option for option in options if option.positional]
    given: dict[str, Any] = {}
    words = list(words)
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, assigned, value = word[2:].partition("=")
            name = name.replace("-", "_")
            option = _option(name, named, open_blocks)
            if name in given:
                raise UsageError(f"--{name} is there twice: leave one out")
            given[name] = Word(value if assigned else _value(option, words))
        elif not waiting:
            raise UsageError(f"{word!r} is one word too many: options begin with --")
        elif waiting[0].many:
            given.setdefault(waiting[0].name, []).append(Word(word))
        else:
            given[waiting.pop(0).name] = Word(word)
    return given


def _option(name: str, named: Mapping[str, Option], open_blocks: Sequence[str]) -> Option:
    """Option of a name."""
    block, dot, _ = name.partition(".")
    if name in named:
        return named[name]
    if dot and block in open_blocks:
        return Option(name, str, raw=True)
    inside = [each for each in named if each.startswith(f"{block}.")] if dot else []
    allowed = inside or [each for each in named if "." not in each]
    hint = nearest(name, allowed).replace("_", "-") if not inside else nearest(name, allowed)
    raise UsageError(f"no option --{name}: {hint}")


def _value(option: Option, words: list[str]) -> str:
    """The word after an option; true where a flag has none of its own."""
    follows = bool(words) and not words[0].startswith("--")
    if option.is_flag:
        takes = follows and (option.kind is not bool or words[0].lower() in TRUTH)
        return words.pop(0) if takes else "true"
    if not follows:
        raise UsageError(f"--{option.name} needs a value: {option.about or option.placeholder}")
    return words.pop(0)


def tree(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values with dots in their names as nested mappings.

    Examples
    --------
    >>> tree({"objective": "MoCo", "objective.queue": "64", "training.epochs": "3"})
    {'objective': {'class': 'MoCo', 'queue': '64'}, 'training': {'epochs': '3'}}
    """
    nested: dict[str, Any] = {}
    for name in sorted(given):
        block, dot, setting = name.partition(".")
        if not dot:
            nested[block] = given[name]
            continue
        if not isinstance(nested.setdefault(block, {}), dict):
            nested[block] = {"class": nested[block]}
        nested[block][setting] = given[name]
    return nested
