"""YAML text in, plain data out; what YAML would misread in silence is an error or a number here."""

import csv
import re
from pathlib import Path
from typing import Any

import yaml

from tsclr.specs.errors import SpecError

EXPONENT = re.compile(r"[-+]?(?:\d+|\d+\.\d*|\.\d+)[eE][-+]?\d+")
"""``1e-3`` is a number; YAML 1.1 takes it for text because it has no point."""


class Word(str):
    """A word of the command line: text until an annotation says what it stands for."""

    __slots__ = ()


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """YAML's safe loader, which refuses a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in lines:
                raise yaml.YAMLError(
                    f"the key {key.value!r} is there twice, in line {lines[name]} and in line "
                    f"{line}: rename or remove one"
                )
            lines[name] = line
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def parse_yaml(text: str, path: str = "") -> Any:
    """Plain data of a YAML text, which stands at `path`.

    Examples
    --------
    >>> parse_yaml("training: {epochs: 3, learning_rate: 1e-3}")
    {'training': {'epochs': 3, 'learning_rate': 0.001}}
    """
    try:
        return yaml.load(str(text), _Loader)  # noqa: S506  # its parser takes no subclass of str
    except yaml.YAMLError as error:
        raise SpecError(path, _explained(error, text)) from error


def _explained(error: yaml.YAMLError, text: str) -> str:
    """What is wrong with a YAML text, and in which line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    number = error.problem_mark.line
    line = "".join(text.splitlines()[number : number + 1])
    hint = ": indent with spaces, not with tabs" if "\t" in line else ""
    return f"line {number + 1}: {error.problem or error.context}{hint}"


def split_commas(text: str) -> list[Word]:
    """Words between commas; quotes keep a comma inside a word.

    >>> split_commas('"a,b", c')
    ['a,b', 'c']
    """
    rows = csv.reader([text], skipinitialspace=True)
    return [Word(word.strip()) for row in rows for word in row if word.strip()]


def split_pairs(text: str) -> dict[str, Word] | Word:
    """Words of the form ``name=value`` between commas; the text itself where they are not.

    Examples
    --------
    >>> split_pairs("acc_x=ax, acc_y=ay")
    {'acc_x': 'ax', 'acc_y': 'ay'}
    """
    pairs = [pair.partition("=") for pair in split_commas(text)]
    if not all(equals for _, equals, _ in pairs):
        return Word(text)
    return {name.strip(): Word(value.strip()) for name, _, value in pairs}


def read_yaml(path: Path) -> dict[str, Any]:
    """Contents of a YAML file, which has to be a mapping.

    Runs of earlier versions wrote ``class_path`` with ``init_args``, which is translated.
    """
    try:
        contents = parse_yaml(path.read_text("utf-8"))
    except SpecError as error:
        raise error.within(str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError("", f"this is not a text file: {error}", str(path)) from error
    if not isinstance(contents, dict) or not contents:
        kind = "it is empty" if not contents else f"it holds a {type(contents).__name__}"
        raise SpecError("", f"{kind}, expected settings such as `training: {{…}}`", str(path))
    return translated(contents)


def translated(value: Any) -> Any:
    """A value in which ``{class_path: …, init_args: {…}}`` became ``{class: …, …}``.

    Examples
    --------
    >>> translated([{"class_path": "tsclr.encoders.CNN1d", "init_args": {"width": 8}}])
    [{'class': 'CNN1d', 'width': 8}]
    """
    if isinstance(value, list):
        return [translated(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_path" not in value:
        return {key: translated(item) for key, item in value.items()}
    name = str(value["class_path"])
    # Modules of tsclr have moved since; its class names have not.
    name = name.rpartition(".")[2] if name.startswith("tsclr.") else name
    return {"class": name, **translated(value.get("init_args") or {})}
