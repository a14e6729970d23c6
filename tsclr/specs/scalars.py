"""Numbers, text and truth values as a config or a command line writes them."""

from collections.abc import Callable
from dataclasses import is_dataclass
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from tsclr.specs.errors import MismatchError
from tsclr.specs.text import Word

TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def truth(value: Any, path: str) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in TRUTH:
        return TRUTH[value.lower()]
    raise MismatchError(path, value, "true or false")


def whole_number(value: Any, path: str) -> int:
    """An integer, ``1e3`` included."""
    number = _number(value)
    if number is None or (isinstance(number, float) and not number.is_integer()):
        raise MismatchError(path, value, "a whole number")
    return int(number)


def real_number(value: Any, path: str) -> float:
    """A float."""
    number = _number(value)
    if number is None:
        raise MismatchError(path, value, "a number")
    return float(number)


def text(value: Any, path: str) -> str:
    """Text; what YAML takes for a number has to be quoted, because 01 and 1 would be the same."""
    if not isinstance(value, str):
        hint = "" if isinstance(value, dict | list | NoneType) else "put it in quotes"
        raise MismatchError(path, value, "text", hint)
    return str(value)


def file_path(value: Any, path: str) -> Path:
    """A path."""
    return value if isinstance(value, Path) else Path(text(value, path))


def nothing(value: Any, path: str) -> None:
    """Null."""
    if value is not None:
        raise MismatchError(path, value, "null")


def _number(value: Any) -> int | float | None:
    """The number that a value is or spells; None where it does neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    for kind in (int, float) if isinstance(value, str) else ():
        try:
            return kind(value)
        except ValueError:
            continue
    return None


SCALARS: dict[Any, Callable[[Any, str], Any]] = {
    bool: truth,
    int: whole_number,
    float: real_number,
    str: text,
    Word: text,
    Path: file_path,
    NoneType: nothing,
}
"""How each scalar kind is read."""

NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"} | {
    Path: "a path",
    NoneType: "null",
    dict: "a mapping",
}


def noun(kind: Any) -> str:
    """Kind of value that an annotation allows, for a sentence.

    Examples
    --------
    >>> noun(int | list[str] | None)
    'a whole number or a list'
    """
    origin = get_origin(kind) or kind
    if origin in (Union, UnionType):
        return " or ".join(noun(each) for each in get_args(kind) if each is not NoneType)
    if origin is Literal:
        return " or ".join(map(str, get_args(kind)))
    if origin in NOUNS:
        return NOUNS[origin]
    if origin in (list, tuple) or getattr(origin, "__name__", "") in ("Sequence", "Iterable"):
        return "a list"
    if is_dataclass(origin):
        return "a mapping of settings"
    arguments = get_args(kind)
    owner = arguments[-1] if arguments else origin
    return f"the name of a class ({getattr(owner, '__name__', owner)})"
