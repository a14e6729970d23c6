"""Plain data in, objects out: every value is checked and converted by the annotation of its place.

A `Builder` walks down a spec and the constructors that it names at once, so that each error can say
where in the config it arose. Names of classes are looked up among the subclasses of the annotated
base; only a builder with ``importing=True`` follows a full path such as ``mine.Spectrum``: a
checkpoint cannot run code.
"""

import inspect
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import partial
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from tsclr.specs.describe import nearest, subclasses
from tsclr.specs.errors import MismatchError, SpecError, shown
from tsclr.specs.scalars import SCALARS, noun
from tsclr.specs.text import Word, parse_yaml, split_commas, split_pairs

T = TypeVar("T")

CLASS = "class"
NONE = ("null", "none", "None", "~")
UNKNOWN = (Any, object, inspect.Parameter.empty)
UNIONS = (Union, UnionType)
LISTS = (list, tuple, Sequence, Iterable)
MAPPINGS = (dict, Mapping)


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
        """A value of `kind` made of `value`, which stands at `path`.

        Parameters
        ----------
        kind : annotation
            Scalar, ``Literal``, union, list, tuple, dict, dataclass, base class of plug-ins, or
            ``Callable[[int], Base]`` for a class that waits for its first argument.
        value : object
            Plain data, a `Word`, or an object that is of the kind already.
        path : str
            For messages.

        Raises
        ------
        SpecError
            If that cannot be done.
        """
        origin = get_origin(kind) or kind
        if origin in SCALARS:
            return SCALARS[origin](value, path)
        readers = {UNIONS: self._union, LISTS: self._list, MAPPINGS: self._mapping}
        readers |= {(Literal,): _choice, (Callable,): self._factory}
        for origins, read in readers.items():
            if origin in origins:
                return read(kind, value, path)
        if isinstance(origin, type) and origin not in UNKNOWN:
            read = self._dataclass if _is_settings(origin) else self._object
            return read(origin, value, path)
        return _parsed(value, path) if isinstance(value, Word) else value

    def call(self, function: Callable[..., T], arguments: Mapping[str, Any], path: str = "") -> T:
        """Call a constructor or a function with `arguments`, each built by its annotation.

        Parameters
        ----------
        function : callable
            Annotated.
        arguments : mapping
            Plain data by the name of the parameter.
        path : str
            For messages.

        Raises
        ------
        SpecError
            If an argument is unknown, missing, or refused by `function`.
        """
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
        """Arguments of a call, but for the first `n_later`, which the caller does not give."""
        named = parameters(function)
        later, accepted = list(named)[:n_later], dict(list(named.items())[n_later:])
        for name in arguments:
            if name in later:
                raise SpecError(_join(path, name), "the data decide this: leave it out")
            if name not in accepted:
                missed = f"{_name(function)} has no argument {name!r}"
                if _is_settings(function):
                    missed = f"no setting {name!r}"
                raise SpecError(_join(path, name), f"{missed}: {nearest(str(name), accepted)}")
        for name, parameter in accepted.items():
            if parameter.default is parameter.empty and name not in arguments:
                raise SpecError(
                    _join(path, name), f"this is missing, expected {noun(parameter.annotation)}"
                )
        return {
            name: self.build(accepted[name].annotation, value, _join(path, name))
            for name, value in arguments.items()
        }

    def _union(self, union: Any, value: Any, path: str) -> Any:
        """The first kind that takes the value; else the error that got furthest into it."""
        kinds = [kind for kind in get_args(union) if kind is not NoneType]
        if NoneType in get_args(union) and (
            value is None or (isinstance(value, str) and value in NONE)
        ):
            return None
        errors: dict[Any, SpecError] = {}
        # Text that YAML read as text stays text; a word of the command line is a number first.
        for kind in sorted(kinds, key=lambda kind: (type(value) is not kind, kind is str)):
            try:
                return self.build(kind, value, path)
            except SpecError as error:
                errors[kind] = error
        furthest = max(
            errors.values(), key=lambda error: (not _is_at(error, path), len(error.path))
        )
        if not _is_at(furthest, path):
            raise furthest
        hint = next((hint for kind in kinds if (hint := getattr(errors[kind], "hint", ""))), "")
        raise MismatchError(path, value, " or ".join(map(noun, kinds)), hint)

    def _list(self, kind: Any, value: Any, path: str) -> Any:
        """A list of what the annotation says; a tuple where it says so."""
        if isinstance(value, Word):
            value = _parsed(value, path) if value.startswith("[") else split_commas(value)
        if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            hint = f"write [{value}]" if isinstance(value, str | int | float) else ""
            raise MismatchError(path, value, noun(kind), hint)
        arguments = [each for each in get_args(kind) if each is not Ellipsis]
        values = list(value)
        if get_origin(kind) is tuple and len(arguments) > 1:
            if len(values) != len(arguments):
                raise MismatchError(path, value, f"a list of {len(arguments)} values")
        else:
            arguments = (arguments or [Any]) * len(values)
        built = [
            self.build(each, item, f"{path}[{number}]")
            for number, (each, item) in enumerate(zip(arguments, values, strict=True))
        ]
        return tuple(built) if get_origin(kind) is tuple else built

    def _mapping(self, kind: Any, value: Any, path: str) -> dict[Any, Any]:
        """A dict of what the annotation says."""
        if isinstance(value, Word):
            value = _parsed(value, path) if value.startswith("{") else split_pairs(value)
        if not isinstance(value, Mapping):
            raise MismatchError(path, value, "a mapping", "write name=value or {name: value}")
        of_keys, of_values = get_args(kind) or (Any, Any)
        return {
            self.build(of_keys, key, _join(path, key)): self.build(
                of_values, item, _join(path, key)
            )
            for key, item in value.items()
        }

    def _dataclass(self, kind: type, value: Any, path: str) -> Any:
        """Settings by name."""
        if isinstance(value, kind):
            return value
        if isinstance(value, Word):
            value = _parsed(value, path)
        if not isinstance(value, Mapping):
            example = next(iter(parameters(kind)))
            raise MismatchError(path, value, noun(kind), f"write {{{example}: …}}")
        return self.call(kind, value, path)

    def _object(self, kind: type, value: Any, path: str) -> Any:
        """An object of a subclass of `kind`."""
        if isinstance(value, kind):
            return value
        chosen, arguments = self._named(kind, value, path)
        return self.call(chosen, arguments, path)

    def _factory(self, factory: Any, value: Any, path: str) -> Any:
        """What makes an object once its first arguments are there; an object is its own factory."""
        taken, kind = get_args(factory)
        if not isinstance(kind, type) or (callable(value) and not isinstance(value, type)):
            return value
        chosen, arguments = self._named(kind, value, path)
        first = next(iter(parameters(chosen)), None)
        if not self.importing and first in arguments:
            return self.call(chosen, arguments, path)
        return partial(chosen, **self._arguments(chosen, arguments, path, len(taken)))

    def _named(self, kind: type, value: Any, path: str) -> tuple[type, dict[str, Any]]:
        """Class that a spec names, and its arguments as they are written."""
        if isinstance(value, Word) and value.startswith("{"):
            value = _parsed(value, path)
        if isinstance(value, type) and issubclass(value, kind):
            return value, {}
        if isinstance(value, str):
            return self._class(kind, value, path), {}
        if not isinstance(value, Mapping):
            raise MismatchError(path, value, noun(kind), "write the name of a class")
        if CLASS not in value:
            raise SpecError(path, f"no class is named: {_how_to_name(kind, value)}")
        arguments = {key: item for key, item in value.items() if key != CLASS}
        return self._class(kind, value[CLASS], path), arguments

    def _class(self, kind: type, name: Any, path: str) -> type:
        """Subclass of `kind` by its name, or by its full path."""
        classes = subclasses(kind)
        if name in classes:
            return classes[name]
        if not self.importing or "." not in str(name):
            reason = f"no {kind.__name__} called {name!r}: {nearest(str(name), classes)}"
            raise SpecError(path, reason)
        module, _, attribute = name.rpartition(".")
        try:
            found = getattr(import_module(module), attribute)
        except (ModuleNotFoundError, AttributeError) as error:
            reason = f"cannot import {name}: {error}; run from the folder that holds it"
            raise SpecError(path, reason) from error
        if not isinstance(found, type) or not issubclass(found, kind):
            raise SpecError(path, f"{name} is not a subclass of {kind.__name__}")
        return found


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


def _choice(literal: Any, value: Any, path: str) -> Any:
    """One of a few values."""
    allowed = get_args(literal)
    for choice in allowed:
        if value == choice and isinstance(value, bool) == isinstance(choice, bool):
            return choice
    hint = nearest(str(value), map(str, allowed))
    raise SpecError(path, f"{shown(value)} is not allowed: {hint}")


def _how_to_name(kind: type, value: Mapping[Any, Any]) -> str:
    """How a mapping that names no class would be written."""
    key = str(next(iter(value), ""))
    if len(value) == 1 and key in subclasses(kind):
        inner = value[key] if isinstance(value[key], Mapping) else {}
        return f"write {{{', '.join([f'class: {key}', *(f'{k}: {v}' for k, v in inner.items())])}}}"
    return f"write {{class: {next(iter(subclasses(kind)), kind.__name__)}, …}}"


def _is_settings(kind: Any) -> bool:
    """Whether a class is a block of settings, and not a plug-in that is chosen by its name."""
    return is_dataclass(kind) and not isinstance(kind, ABCMeta)


def _parsed(word: Word, path: str) -> Any:
    """A word of the command line as YAML."""
    try:
        return parse_yaml(word)
    except SpecError as error:
        raise SpecError(path, error.reason) from error


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _is_at(error: SpecError, path: str) -> bool:
    """Whether it is the value itself, and not what it holds, that a union does not take."""
    return isinstance(error, MismatchError) and error.path == path


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
