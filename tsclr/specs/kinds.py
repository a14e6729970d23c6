"""What annotations mean: how a scalar of each kind is read, and what a message calls each kind."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from tsclr.specs.errors import MismatchError

TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
UNIONS = (Union, UnionType)
LISTS = (list, tuple, Sequence, Iterable)
MAPPINGS = (dict, Mapping)


def _whole_number(value: Any) -> int:
    if str(value).lstrip("+-").isdecimal():
        return int(value)  # exact: a seed may be above 2**53
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(number)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _text(value: Any) -> str:
    # What YAML takes for a number has to be quoted: as a number 01 and 1 would be the same.
    if not isinstance(value, str):
        raise TypeError
    return str(value)


SCALARS: dict[Any, tuple[str, Callable[[Any], Any]]] = {
    bool: ("true or false", lambda value: TRUTH[str(value).lower()]),
    int: ("a whole number", _whole_number),
    float: ("a number", _number),
    str: ("text", _text),
    Path: ("a path", Path),
}


def scalar(kind: type, value: Any, path: str) -> Any:
    """A number, text or truth value, as a config or a command line writes it."""
    name, read = SCALARS[kind]
    try:
        return read(value)
    except (TypeError, ValueError, LookupError) as error:
        quotes = kind in (str, Path) and not isinstance(value, dict | list | NoneType)
        raise MismatchError(path, value, name, "put it in quotes" if quotes else "") from error


def noun(kind: Any) -> str:
    """Kind of value that an annotation allows, for a sentence.

    Examples
    --------
    >>> noun(int | list[str] | None)
    'a whole number or a list'
    """
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in UNIONS:
        return " or ".join(noun(option) for option in arguments if option is not NoneType)
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in SCALARS:
        return SCALARS[origin][0]
    if origin in LISTS:
        return "a list"
    if origin in MAPPINGS:
        return "a mapping"
    if is_dataclass(origin):
        return "a mapping of settings"
    base = arguments[-1] if arguments else origin
    return f"the name of a class ({getattr(base, '__name__', base)})"
