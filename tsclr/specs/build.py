"""Plain data in, objects out: every value is checked and converted by the annotation of its place.

A `Builder` walks down a spec and the constructors that it names at once, so that each error can say
where in the config it arose. Names of classes are looked up among the subclasses of the annotated
base; only a builder with ``importing=True`` follows a full path such as ``mine.Spectrum``: a
checkpoint cannot run code.
"""

import inspect
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from functools import partial
from importlib import import_module
from types import NoneType
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

from tsclr.specs.describe import nearest, subclasses
from tsclr.specs.errors import MismatchError, SpecError, shown
from tsclr.specs.kinds import LISTS, MAPPINGS, SCALARS, UNIONS, noun, scalar
from tsclr.specs.text import Word, parse_yaml, split_commas, split_pairs

T = TypeVar("T")

CLASS = "class"
NONE = (None, "null", "none", "None", "~")
UNKNOWN: tuple[Any, ...] = (Any, object, inspect.Parameter.empty)


def from_spec(kind: type[T], spec: Any) -> T:
    """Build the object that `spec` describes, from classes that are imported already.

    Parameters
    ----------
    kind : type
        Base class among whose subclasses the name is looked up.
    spec : dict or str
        As `spec_of` gives it, or the name of a class.

    Raises
    ------
    SpecError
        If there is no subclass of that name, or an argument is unknown or of another kind; the
        message says where, and suggests the near name.

    Examples
    --------
    >>> from tsclr.pairs import Pairing
    >>> from_spec(Pairing, {"class": "Neighbour", "seconds": 3.0}).seconds
    3.0
    """
    return Builder().build(kind, spec)


class Builder(NamedTuple):
    """Builds values of annotated kinds from plain data.

    Parameters
    ----------
    importing : bool
        Accept a class by its full path, which imports its module, and leave the channels of
        encoders open, as a config does. A checkpoint does neither.

    Examples
    --------
    >>> Builder().build(list[float] | None, ["1e-3", 2], path="rates")
    [0.001, 2.0]
    >>> Builder().build(dict[str, int], {"a": "many"}, path="sizes")
    Traceback (most recent call last):
    tsclr.specs.errors.MismatchError: sizes.a: 'many' is not a whole number
    """

    importing: bool = False

    def build(self, kind: Any, value: Any, path: str = "") -> Any:
        """A value of `kind` made of plain data, of a `Word`, or of an object that is one already.

        The kind is a scalar, ``Literal``, union, list, mapping, dataclass, base class of plug-ins,
        or ``Callable[[int], Base]`` for a class that waits for its first argument.
        """
        origin: Any = get_origin(kind) or kind
        if origin in SCALARS:
            return scalar(origin, value, path)
        if origin in UNIONS:
            return self._union(get_args(kind), value, path)
        if isinstance(value, Word) and (value.startswith(("[", "{")) or origin in UNKNOWN):
            value = parse_yaml(value, path)
        readers = {LISTS: self._list, MAPPINGS: self._mapping}
        readers |= {(Literal,): _choice, (Callable,): self._factory}
        for origins, read in readers.items():
            if origin in origins:
                return read(get_args(kind), value, path)
        if not isinstance(origin, type) or origin in UNKNOWN or isinstance(value, origin):
            return value
        chosen, arguments = self._named(origin, value, path)
        return self.call(chosen, arguments, path)

    def call(self, function: Callable[..., T], arguments: Mapping[str, Any], path: str = "") -> T:
        """Call a constructor or a function with `arguments`, each built by its annotation."""
        built = self._arguments(function, arguments, path)
        try:
            return function(**built)
        except (TypeError, ValueError) as error:
            raise SpecError(path, str(error)) from error

    def _arguments(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        path: str,
        n_later: int = 0,
    ) -> dict[str, Any]:
        """Arguments of a call without the first `n_later`, which are known only later."""
        accepted = parameters(function)
        later = {name: accepted.pop(name) for name in list(accepted)[:n_later]}
        for name in arguments:
            if name in later:
                raise SpecError(_join(path, name), "the data decide this: leave it out")
            if name not in accepted:
                owner = getattr(function, "__name__", "this")
                missed = "no setting" if _is_settings(function) else f"{owner} has no argument"
                hint = nearest(str(name), accepted)
                raise SpecError(_join(path, name), f"{missed} {name!r}: {hint}")
        for name, parameter in accepted.items():
            if parameter.default is parameter.empty and name not in arguments:
                expected = noun(parameter.annotation)
                raise SpecError(_join(path, name), f"this is missing, expected {expected}")
        return {
            name: self.build(accepted[name].annotation, value, _join(path, name))
            for name, value in arguments.items()
        }

    def _union(self, kinds: Iterable[Any], value: Any, path: str) -> Any:
        """The first kind that takes the value; else the error that got furthest into it."""
        if NoneType in kinds and (value is None or (isinstance(value, str) and value in NONE)):
            return None
        kinds = [kind for kind in kinds if kind is not NoneType]
        inside: list[SpecError] = []
        hints = dict.fromkeys(map(noun, kinds), "")
        # Text that YAML read as text stays text; a word of the command line is a number first.
        for kind in sorted(kinds, key=lambda kind: (type(value) is not kind, kind is str)):
            try:
                return self.build(kind, value, path)
            except SpecError as error:
                if isinstance(error, MismatchError) and error.path == path:
                    hints[noun(kind)] = error.hint
                else:
                    inside.append(error)
        if inside:
            raise max(inside, key=lambda error: len(error.path))
        hint = next(filter(None, hints.values()), "")
        raise MismatchError(path, value, " or ".join(hints), hint)

    def _list(self, kinds: tuple[Any, ...], value: Any, path: str) -> list[Any]:
        """A list of what the annotation says."""
        if isinstance(value, Word):
            value = split_commas(value)
        if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            hint = f"write [{value}]" if isinstance(value, str | int | float) else ""
            raise MismatchError(path, value, "a list", hint)
        kind = next(iter(kinds), Any)
        return [self.build(kind, item, f"{path}[{i}]") for i, item in enumerate(value)]

    def _mapping(self, kinds: tuple[Any, ...], value: Any, path: str) -> dict[Any, Any]:
        """A dict of what the annotation says."""
        if isinstance(value, Word):
            value = split_pairs(value)
        if not isinstance(value, Mapping):
            raise MismatchError(path, value, "a mapping", "write name=value or {name: value}")
        of_key, of_item = kinds or (Any, Any)
        built = {}
        for key, item in value.items():
            place = _join(path, key)
            built[self.build(of_key, key, place)] = self.build(of_item, item, place)
        return built

    def _factory(self, kinds: tuple[Any, ...], value: Any, path: str) -> Any:
        """What makes an object once its first arguments are there; an object is its own factory."""
        later, kind = kinds
        if not isinstance(kind, type) or (callable(value) and not isinstance(value, type)):
            return value
        chosen, arguments = self._named(kind, value, path)
        if not self.importing and next(iter(parameters(chosen)), None) in arguments:
            return self.call(chosen, arguments, path)
        return partial(chosen, **self._arguments(chosen, arguments, path, len(later)))

    def _named(self, kind: type, value: Any, path: str) -> tuple[type, Mapping[str, Any]]:
        """Class that plain data names, and its arguments as they are written."""
        if isinstance(value, type) and issubclass(value, kind):
            return value, {}
        if _is_settings(kind):
            if not isinstance(value, Mapping):
                hint = f"write {{{next(iter(parameters(kind)))}: …}}"
                raise MismatchError(path, value, noun(kind), hint)
            return kind, value
        if isinstance(value, str):
            return self._class(kind, value, path), {}
        if not isinstance(value, Mapping):
            raise MismatchError(path, value, noun(kind), "write the name of a class")
        if CLASS not in value:
            classes = subclasses(kind)
            name = next((key for key in value if key in classes), next(iter(classes), "NAME"))
            raise SpecError(path, f"no class is named: write {{class: {name}, …}}")
        arguments = {key: item for key, item in value.items() if key != CLASS}
        return self._class(kind, value[CLASS], path), arguments

    def _class(self, kind: type, name: Any, path: str) -> type:
        """Subclass of `kind` by its name, or by its full path."""
        classes = subclasses(kind)
        if name in classes:
            return classes[name]
        if not self.importing or "." not in str(name):
            hint = nearest(str(name), classes)
            raise SpecError(path, f"no {kind.__name__} called {name!r}: {hint}")
        module, _, attribute = name.rpartition(".")
        try:
            imported = getattr(import_module(module), attribute)
        except (ModuleNotFoundError, AttributeError) as error:
            reason = f"cannot import {name}: {error}; run from the folder that holds it"
            raise SpecError(path, reason) from error
        if not isinstance(imported, type) or not issubclass(imported, kind):
            raise SpecError(path, f"{name} is not a subclass of {kind.__name__}")
        return imported


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Parameters of a call by name, their annotations read."""
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:  # an annotation for type checkers only
        signature = inspect.signature(function)
    return {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def _choice(allowed: tuple[Any, ...], value: Any, path: str) -> Any:
    """One of a few values."""
    if value in allowed:
        return allowed[allowed.index(value)]  # not the Word, which is text of its own kind
    hint = nearest(str(value), map(str, allowed))
    raise SpecError(path, f"{shown(value)} is not allowed: {hint}")


def _is_settings(kind: Any) -> bool:
    """Whether a class is a block of settings, and not a plug-in that is chosen by its name."""
    return is_dataclass(kind) and not isinstance(kind, ABCMeta)


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
