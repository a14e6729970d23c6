"""A mistake in options or in a config in, one line that explains it and says where it is out."""

import difflib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, get_loader, set_loader

from tsclr.specs import nearest, subclasses

MODE = "yaml-without-repeats"
"""As jsonargparse is to call the YAML of `load`."""
HELP = "help", "print_config", "print_shtab"
"""Options that are no settings."""
NO_OPTION = re.compile(
    r"(?:Group '(?P<group>\w+)' does not accept option '|Option '|unrecognized arguments: --)"
    r"(?P<name>[\w.]+).*"
)
TYPE = re.compile(r"Expected a <class '[\w.]+'>")
NO_CLASS = re.compile(r"Expected a dot import path string: (?P<name>\w+)")
NO_TEXT = re.compile(
    r"Expected a .*<class 'str'>.* Got value: (?:[-+]?\.?\d[-+.\de]*|True|False)$", re.MULTILINE
)
FACTORY = re.compile(
    r"Type \S[^\n]* expects a function or a callable class: (?P<reason>(?:(?!Type \S).)*?)\. "
    r"Got value: Namespace\(class_path='(?P<path>[\w.]+)'[^\n]*?\)(?=\. Got value|$)",
    re.DOTALL | re.MULTILINE,
)
WAY = re.compile(
    r"(?:Parser key \"[\w.]+\"(?: element \d+)?|Problem with given class_path '[\w.]+'):\s*"
)
"""What need not be said where the place is."""
STEP = re.compile(
    r"Parser key \"(?P<keys>[\w.]+)\"|given class_path '(?:\w+\.)*(?P<kind>\w+)'|"
    r"Group '(?P<group>\w+)'|[Oo]ption '(?P<option>[\w.]+)'|import path string: (?P<name>\w+)|"
    r"Got value: (?P<value>(?!Namespace|[\[{]).+)"
)
"""What a message of jsonargparse tells of the way to a mistake, one key, class or value each."""

Way = tuple[str, tuple[str, ...]]


class Parser(ArgumentParser):
    """Parser of a command that says where a mistake is, and answers a wrong name with the near one.

    Parameters
    ----------
    *args
        As of ``jsonargparse.ArgumentParser``.
    parser_mode : str
        Of jsonargparse: how values and configs are written.
    **kwargs
        As of ``jsonargparse.ArgumentParser``.

    Examples
    --------
    >>> parser = Parser(prog="tsclr demo")
    >>> _ = parser.add_argument("--seed", type=int)
    >>> parser.parse_args(["--sed", "3"])
    Traceback (most recent call last):
    SystemExit: 2
    """

    kinds: tuple[type, ...] = ()
    """Base classes whose subclasses a config may name."""

    def __init__(self, *args: Any, parser_mode: str = MODE, **kwargs: Any) -> None:
        super().__init__(*args, parser_mode=parser_mode, **kwargs)
        self.configs: dict[str, Any] = {}

    def parse_path(self, path: str | os.PathLike, *args: Any, **kwargs: Any) -> Any:
        """Parse a config, and keep what it says for `explained`.

        Parameters
        ----------
        path : str
            YAML file.
        *args, **kwargs
            As of ``jsonargparse.ArgumentParser.parse_path``.

        Raises
        ------
        TypeError
            If it is no YAML, or a key is there twice.
        """
        try:
            self.configs[str(path)] = load(Path(path).read_text("utf-8"))
        except (TypeError, yaml.YAMLError) as error:
            raise TypeError(f"{path}: {error}") from error
        return super().parse_path(path, *args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong and where, then exit with status 2.

        Parameters
        ----------
        message : str
            What jsonargparse found.
        ex : Exception, optional
            From where.

        Raises
        ------
        argparse.ArgumentError
            With ``exit_on_error=False``, as jsonargparse makes the parsers of the classes that a
            config names: the parser of the command then says where.
        """
        message = self.hinted(message)
        if not self.exit_on_error:
            super().error(message, ex)
        sys.stderr.write(f"{self.prog}: {self.explained(message)}\n  see {self.prog} --help\n")
        sys.exit(2)

    def hinted(self, message: str) -> str:
        """The same, with what is allowed where an option is not known.

        Parameters
        ----------
        message : str
            What jsonargparse found.
        """
        if "Allowed: " in message:
            return message
        options = [action.dest for action in self._actions if action.dest not in HELP]
        return NO_OPTION.sub(lambda found: f"{found[0]}: {_near(found, options)}", message)

    def explained(self, message: str) -> str:
        """A message that says where the mistake is, by the file and the place in it.

        Parameters
        ----------
        message : str
            Of an error of this parser.
        """
        message = without_factories(without_unions(message))
        message = message.replace('in "<unicode string>", ', "in ")
        steps = list(STEP.finditer(message))
        message = NO_TEXT.sub(lambda found: f"{found[0]}; put it in quotes", message)
        message = NO_CLASS.sub(self._no_class, message)
        for file, contents in self.configs.items():
            found = places(contents, steps)
            if found:
                return f"{file}: {' or '.join(found)}: {WAY.sub('', message)}"
        return message

    def _no_class(self, found: re.Match) -> str:
        """What there is in place of a class that there is not."""
        families = [list(subclasses(kind)) for kind in self.kinds]
        near = difflib.get_close_matches(found["name"], chain(*families), n=1)
        allowed = chain(*(names for names in families if set(near) <= set(names)))
        return f"no class {found['name']}: {nearest(found['name'], allowed)}"


def load(text: str) -> Any:
    """What a YAML says, as jsonargparse reads it, if no mapping has a key twice.

    Parameters
    ----------
    text : str
        Of a config, or of a value of the command line.

    Raises
    ------
    yaml.YAMLError
        If it is no YAML.
    TypeError
        If a key is there twice, of which YAML would drop the first without a word; jsonargparse
        takes what raises a ``yaml.YAMLError`` on the command line for plain text.

    Examples
    --------
    >>> load("methods: {a: 1, b: 1e-3}")
    {'methods': {'a': 1, 'b': 0.001}}
    >>> load("methods: {a: 1, a: 1e-3}")
    Traceback (most recent call last):
    TypeError: the key 'a' is there twice, in line 1 and in line 1: rename or remove one
    """
    for mapping in _mappings(yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))):
        lines: dict[tuple[str, str], int] = {}
        for key, _ in mapping.value:
            written, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if written in lines:
                raise TypeError(
                    f"the key {key.value!r} is there twice, in line {lines[written]} and in line "
                    f"{line}: rename or remove one"
                )
            lines[written] = line
    return get_loader("yaml")(text)


def _mappings(root: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """Every mapping of a document, once even where aliases lead to it again."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            waiting += [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def without_unions(message: str) -> str:
    r"""What is wrong, where jsonargparse tells it of every type that a value might have had.

    Parameters
    ----------
    message : str
        Of any error; others stay as they are.

    Examples
    --------
    >>> without_unions(
    ...     "Does not validate against any of the Union subtypes\nSubtypes: [list, dict]\n"
    ...     "Errors:\n  - sd is -1\n  - Expected a <class 'dict'>\nGiven value type: list"
    ... )
    'sd is -1'
    """
    before, union, rest = message.partition("Does not validate against any of the Union subtypes")
    if not union:
        return message
    reasons = re.findall(r"^ *- (.*(?:\n(?! *- | *Given value).*)*)", rest, re.MULTILINE)
    telling = [reason for reason in reasons if not re.fullmatch(TYPE, reason)]
    if not telling:
        types = " or ".join(reason.removeprefix("Expected a ") for reason in reasons)
        telling = [f"Expected a {types}. Got value: {rest.partition('Given value: ')[2]}"]
    return before.rstrip() + ("\n  " if before else "") + "\n  ".join(telling)


def without_factories(message: str) -> str:
    """What is wrong with a class, where jsonargparse tells it of the function that it stands for.

    Parameters
    ----------
    message : str
        Of any error; others stay as they are.

    Examples
    --------
    >>> without_factories(
    ...     "Type Callable[[int], Encoder] expects a function or a callable class: no 'widht'. "
    ...     "Got value: Namespace(class_path='tsclr.encoders.CNN1d')"
    ... )
    "Problem with given class_path 'tsclr.encoders.CNN1d': no 'widht'"
    """
    inner = 1
    while inner:
        message, inner = FACTORY.subn(
            r"Problem with given class_path '\g<path>': \g<reason>", message
        )
    return message


def places(contents: Any, steps: Iterable[re.Match]) -> list[str]:
    """Where a config has what the steps of a message lead to.

    Parameters
    ----------
    contents : dict
        What the config says.
    steps : iterable of re.Match
        Of `STEP`, from outside to inside.

    Examples
    --------
    >>> steps = STEP.finditer("Group 'data' does not accept option 'rate'")
    >>> places({"data": [{"name": "hapt"}, {"name": "wisdm", "rate": 50}]}, steps)
    ['data[1].rate']
    """
    ways = list(_ways(contents))
    named = {word for _, way in ways for word in way}
    told = [_words(step) for step in steps if step["kind"] is None or step["kind"] in named]
    wanted = [word for words in told for word in words]
    return [place for place, way in ways if _leads(way, wanted)]


def _words(step: re.Match) -> list[str]:
    """The keys, the class or the value that a step of a message names."""
    word = str(step[step.lastgroup or 0])
    return word.split(".") if step.lastgroup in ("keys", "option") else [word]


def _ways(value: Any, place: str = "", way: tuple[str, ...] = ()) -> Iterator[Way]:
    """Every place in a config, and the keys, classes and at last the value on the way there."""
    if isinstance(value, dict):
        kind = str(value.get("class_path", "")).split(".")[-1]
        for key, inside in value.items():
            there = f"{place}.{key}".lstrip("."), (*way, *filter(None, [kind]), str(key))
            yield there
            yield from _ways(inside, *there)
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from _ways(inside, f"{place}[{index}]", way)
    else:
        yield place, (*way, str(value))


def _leads(way: tuple[str, ...], wanted: list[str]) -> bool:
    """Whether a way begins and ends with what is wanted, and has the rest of it in order."""
    left = iter(way)
    ends = way[:1] == tuple(wanted[:1]) and way[-1:] == tuple(wanted[-1:])
    return ends and all(word in left for word in wanted)


def _near(found: re.Match, options: list[str]) -> str:
    """What is allowed in place of an option, in its group or at the top."""
    words = f"{found['group'] or ''}.{found['name']}".strip(".").split(".")
    groups = {"", *(option.rpartition(".")[0] for option in options)}
    depth = max(n for n in range(len(words)) if ".".join(words[:n]) in groups)
    start = ".".join([*words[:depth], ""])
    inside = [option.removeprefix(start) for option in options if option.startswith(start)]
    return nearest(words[depth], {option.split(".")[0] for option in inside})


set_loader(MODE, load, (yaml.YAMLError,))
