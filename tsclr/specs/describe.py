"""Objects in, plain data out: what a checkpoint keeps instead of a pickle."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def subclasses(kind: type[T]) -> dict[str, type[T]]:
    """Every concrete subclass of `kind`, by name, in order of definition; private ones are hidden.

    Examples
    --------
    >>> from tsclr.pairs import Pairing
    >>> list(subclasses(Pairing))[:2]
    ['OtherSensor', 'OtherDevice']
    """
    found: dict[str, type[T]] = {}
    for child in kind.__subclasses__():
        if not inspect.isabstract(child) and not child.__name__.startswith("_"):
            found[child.__name__] = child
        found |= subclasses(child)
    return found


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Sentence that names what is allowed and, where there is one, the near name.

    Examples
    --------
    >>> nearest("Jiter", ["Jitter", "Scale"])
    'did you mean Jitter? Allowed: Jitter, Scale'
    >>> nearest("Rotate", ["Jitter", "Scale"])
    'choose among Jitter, Scale'
    """
    options = sorted(allowed)
    listed = comma_list(options)
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    hint = f"did you mean {by_lower[close[0]]}? Allowed:" if close else "choose among"
    return f"{hint} {listed}"


def comma_list(names: Iterable[str]) -> str:
    """Names in a line; one that holds a comma is quoted, as the command line takes it.

    Examples
    --------
    >>> comma_list(["sit", "stairs, up"])
    'sit, "stairs, up"'
    """
    return ", ".join(f'"{name}"' if "," in name else name for name in names)


def importable_name(kind: type) -> str:
    """Name of a class in a config: with its module where it is not one of tsclr's own."""
    if kind.__module__.partition(".")[0] in ("tsclr", "__main__"):
        return kind.__name__
    return f"{kind.__module__}.{kind.__name__}"


def spec_of(obj: Any, name: Callable[[type], str] = attrgetter("__name__")) -> Any:
    """Plain-data description of `obj`: its class name and constructor arguments.

    Parameters
    ----------
    obj : object
        An object whose constructor stored its arguments under the same names, a class or a partial
        call of one, or a list, tuple, dict or scalar of such.
    name : callable
        Gives the name of a class; `importable_name` for what a config is to hold.

    Returns
    -------
    dict, list or scalar
        Only what JSON and YAML can hold.

    Raises
    ------
    TypeError
        If an argument was not stored under its name.

    Examples
    --------
    >>> from tsclr.pairs import Neighbour
    >>> spec_of(Neighbour(seconds=3.0))
    {'class': 'Neighbour', 'seconds': 3.0, 'gap': 0.0}
    """
    if obj is None or isinstance(obj, bool | int | float | str):
        return obj
    if isinstance(obj, dict):
        return {key: spec_of(value, name) for key, value in obj.items()}
    if isinstance(obj, type | partial):
        # A class that waits for its first arguments, as an encoder does for its channels.
        kind, given = (obj.func, obj.keywords) if isinstance(obj, partial) else (obj, {})
        if not isinstance(kind, type):
            raise TypeError(f"{kind} is not a class: only classes can be described")
        parameters = inspect.signature(kind).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        return {"class": name(kind), **spec_of(defaults | given, name)}
    if isinstance(obj, Iterable):
        return [spec_of(value, name) for value in obj]
    arguments = {}
    for argument in inspect.signature(type(obj)).parameters:
        if not hasattr(obj, argument):
            kind = type(obj).__name__
            raise TypeError(f"{kind} does not keep its argument {argument!r} as given")
        arguments[argument] = spec_of(getattr(obj, argument), name)
    return {"class": name(type(obj)), **arguments}
