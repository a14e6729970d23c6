"""Objects in, plain dictionaries out, and back: what a checkpoint keeps instead of a pickle.

A *spec* is ``{"class": name, argument: value, …}``. Names are resolved among the subclasses of a
given base, never by importing a path, so a checkpoint cannot run code.
"""

import difflib
import inspect
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def subclasses(kind: type[T]) -> dict[str, type[T]]:
    """Every concrete subclass of `kind`, by name, in order of definition.

    Parameters
    ----------
    kind : type
        A base class of the package.

    Examples
    --------
    >>> from tsclr.pairs import Pairing
    >>> list(subclasses(Pairing))[:2]
    ['OtherSensor', 'OtherDevice']
    """
    found: dict[str, type[T]] = {}
    for child in kind.__subclasses__():
        if not inspect.isabstract(child):
            found[child.__name__] = child
        found |= subclasses(child)
    return found


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Sentence that names what is allowed and, where there is one, the near name.

    Parameters
    ----------
    name : str
        What was asked for.
    allowed : iterable of str
        What there is.

    Examples
    --------
    >>> nearest("Jiter", ["Jitter", "Scale"])
    'did you mean Jitter? Allowed: Jitter, Scale'
    """
    options = sorted(allowed)
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    hint = f"did you mean {by_lower[close[0]]}? " if close else ""
    return f"{hint}Allowed: {', '.join(options)}"


def spec_of(obj: Any) -> Any:
    """Plain-data description of `obj`: its class name and constructor arguments.

    Parameters
    ----------
    obj : object
        An object whose constructor stored its arguments under the same names, or a list, tuple,
        dict or scalar of such.

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
        return {key: spec_of(value) for key, value in obj.items()}
    if isinstance(obj, Iterable):
        return [spec_of(value) for value in obj]
    arguments = {}
    for name in inspect.signature(type(obj)).parameters:
        if not hasattr(obj, name):
            raise TypeError(f"{type(obj).__name__} does not keep its argument {name!r} as given")
        arguments[name] = spec_of(getattr(obj, name))
    return {"class": type(obj).__name__, **arguments}


def from_spec(kind: type[T], spec: dict[str, Any], inside: Sequence[type] = ()) -> T:
    """Build the object that `spec` describes.

    Parameters
    ----------
    kind : type
        Base class among whose subclasses the name is looked up.
    spec : dict
        As `spec_of` gives it.
    inside : sequence of type
        Base classes of objects of another kind that it may hold.

    Raises
    ------
    KeyError
        If there is no subclass of that name; the message suggests the near one.
    TypeError
        If an argument is unknown.

    Examples
    --------
    >>> from tsclr.pairs import Pairing
    >>> from_spec(Pairing, {"class": "Neighbour", "seconds": 3.0}).seconds
    3.0
    """
    return _build((kind,), (kind, *inside), spec)


def _build(kinds: tuple[type, ...], nested: tuple[type, ...], spec: dict[str, Any]) -> Any:
    """Build an object of one of `kinds`, which may hold objects of all those `nested`."""
    known: dict[str, type] = {}
    for kind in kinds:
        known |= subclasses(kind)
    arguments = dict(spec)
    name = arguments.pop("class", None)
    if name not in known:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise KeyError(f"no {wanted} called {name!r}: {nearest(str(name), known)}")
    accepted = inspect.signature(known[name]).parameters
    for argument in arguments:
        if argument not in accepted:
            raise TypeError(f"{name} has no argument {argument!r}: {nearest(argument, accepted)}")
    return known[name](**{key: _rebuild(nested, value) for key, value in arguments.items()})


def _rebuild(kinds: tuple[type, ...], value: Any) -> Any:
    """Nested specs, as in a pipeline of views, become objects too."""
    if isinstance(value, dict) and "class" in value:
        return _build(kinds, kinds, value)
    if isinstance(value, dict):
        return {key: _rebuild(kinds, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rebuild(kinds, item) for item in value]
    return value
