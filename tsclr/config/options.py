"""Signatures and their numpydoc in, options of the command line out."""

import inspect
import re
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from tsclr.specs import Word, nearest
from tsclr.specs.build import parameters
from tsclr.specs.kinds import TRUTH, UNIONS

REQUIRED = inspect.Parameter.empty
PARAMETER = re.compile(r"^(\w[\w, ]*) :", re.MULTILINE)
MARKUP = re.compile(r"`+|\s*\[\d\]_")

PLACEHOLDERS = {list: "A,B", Sequence: "A,B", dict: "A=B,…", int: "N", float: "X", Path: "PATH"}
"""What stands for a value of a kind; otherwise it is the name of the option."""


class UsageError(ValueError):
    """The words of a command line cannot be understood."""


@dataclass(frozen=True)
class Option:
    """One option of a command; a name with a dot is a setting of a block.

    A positional is typed without its name, and takes all words that are left if it is `many`. A
    `raw` option is built with the config, suite or reader to which it belongs.
    """

    name: str
    kind: Any
    about: str = ""
    default: Any = None
    positional: bool = False
    many: bool = False
    raw: bool = False

    @property
    def label(self) -> str:
        """Name in a help or a message."""
        return self.name.upper() if self.positional else f"--{self.name.replace('_', '-')}"

    @property
    def is_flag(self) -> bool:
        """Whether the name alone means true."""
        return self.kind is bool or bool in get_args(self.kind)

    @property
    def names_class(self) -> bool:
        """Whether the value is the name of a class, whose arguments are options as well."""
        return get_origin(self.kind) is Callable or isinstance(self.kind, ABCMeta)

    @property
    def placeholder(self) -> str:
        """What stands for the value in a help."""
        if self.kind is bool:
            return ""
        if self.names_class:
            return "CLASS"
        if get_origin(self.kind) is Literal:
            return "|".join(map(str, get_args(self.kind)))
        kinds = get_args(self.kind) if get_origin(self.kind) in UNIONS else [self.kind]
        origins = [get_origin(kind) or kind for kind in kinds]
        words = (word for kind, word in PLACEHOLDERS.items() if kind in origins)
        return next(words, self.name.rpartition(".")[2].upper())


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
    made = fields(call) if isinstance(call, type) and is_dataclass(call) else ()
    defaults = {f.name: f.default_factory() for f in made if f.default_factory is not MISSING}
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
        body = MARKUP.sub("", " ".join(body.split()))
        sentence = re.split(r"(?<=[\w)}])[.;](?:\s|$)", body)[0]
        docs |= dict.fromkeys(names.split(", "), sentence.rstrip(". "))
    return docs


def parse_words(words: Sequence[str], options: Sequence[Option]) -> dict[str, Any]:
    """Values on a command line by the name of their option, as they are typed.

    Examples
    --------
    >>> options = [Option("log_rate", float), Option("whiten", bool)]
    >>> options += [Option("run", str, positional=True)]
    >>> parse_words(["--whiten", "runs/a", "--log-rate=50"], options)
    {'whiten': 'true', 'run': 'runs/a', 'log_rate': '50'}
    """
    named = {option.name: option for option in options if not option.positional}
    waiting = [option for option in options if option.positional]
    typed: dict[str, Any] = {}
    words = list(words)
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, assigned, value = word[2:].partition("=")
            name = name.replace("-", "_")
            option = _option(name, named)
            if name in typed:
                raise UsageError(f"{option.label} is there twice: leave one out")
            typed[name] = Word(value if assigned else _value(option, words))
        elif not waiting:
            raise UsageError(f"{word!r} is one word too many: options begin with --")
        elif waiting[0].many:
            typed.setdefault(waiting[0].name, []).append(Word(word))
        else:
            typed[waiting.pop(0).name] = Word(word)
    return typed


def _option(name: str, named: Mapping[str, Option]) -> Option:
    """Option of a name, or argument of the class that an option names."""
    block, dot, _ = name.partition(".")
    if name in named:
        return named[name]
    if dot and block in named and named[block].names_class:
        return Option(name, str, raw=True)
    inside = [other for other in named if other.startswith(f"{block}.")] if dot else []
    allowed = inside or [other for other in named if "." not in other]
    hint = nearest(name, allowed).replace("_", "-")
    raise UsageError(f"no option --{name.replace('_', '-')}: {hint}")


def _value(option: Option, words: list[str]) -> str:
    """The word after an option; true where a flag has none of its own."""
    follows = bool(words) and not words[0].startswith("--")
    if option.is_flag:
        takes = follows and (option.kind is not bool or words[0].lower() in TRUTH)
        return words.pop(0) if takes else "true"
    if not follows:
        raise UsageError(f"{option.label} needs a value: {option.about or option.placeholder}")
    return words.pop(0)
