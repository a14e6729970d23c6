"""Captions of views: the call that made one, and the random values it drew.

Nothing here knows a class: annotations of what `draw` returns say what a tensor holds and along
which axes, and the views inside a view are its children. So a view that a user wrote gets a
caption as well as ours.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import nn

from tsclr.augment import Augmentation, Quantity
from tsclr.augment.base import Gated
from tsclr.specs import spec_of
from tsclr.types import device_sensor

FEW = 6
"""Up to so many numbers are listed; of more, the smallest and the largest."""


class Leaf(NamedTuple):
    """One value among those drawn: a tensor, the draw of a view inside, or something else."""

    quantity: Quantity
    axes: tuple[str, ...]
    """Letters of its axes after the batch; empty where no annotation says them."""
    value: Any


def call_of(view: Augmentation) -> str:
    """The call that makes `view`, as one would write it.

    Examples
    --------
    >>> from tsclr.augment import Jitter, OneOf
    >>> call_of(OneOf([Jitter(sd=0.1)], p=0.5))
    'OneOf(augmentations=[Jitter(sd=0.1, p=1)], weights=None, p=0.5)'
    """
    try:
        return _as_code(spec_of(view))
    except TypeError:
        return f"{type(view).__name__}(…)"


def _as_code(spec: Any) -> str:
    """A spec as code."""
    if isinstance(spec, list):
        return f"[{', '.join(map(_as_code, spec))}]"
    if not isinstance(spec, Mapping) or "class" not in spec:
        return f"{spec:g}" if isinstance(spec, float) else repr(spec)
    arguments = [f"{name}={_as_code(value)}" for name, value in spec.items() if name != "class"]
    return f"{spec['class']}({', '.join(arguments)})"


def caption(view: Augmentation, gated: Gated, window: int) -> list[str]:
    """What `view` drew for one window of a batch: a line, and one for each view inside.

    Examples
    --------
    >>> from tsclr.augment import Chain, Mirror, Scale
    >>> channels = ["acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z"]
    >>> view = Chain([Scale(sd=0.0), Mirror(p=0.0)]).for_channels(channels)
    >>> caption(view, view.draw_gated(torch.zeros(2, 6, 8)), window=0)
    ['Scale: gain: acc 1, gyr 1', 'not applied: Mirror']
    """
    if not _applies(gated, window):
        return [f"not applied: {type(view).__name__}"]
    views = views_inside(view)
    leaves = list(_leaves(gated.drawn, _hints(type(view).draw).get("return")))
    draws = [leaf.value for leaf in leaves if isinstance(leaf.value, Gated)]
    if not draws or len(draws) != len(views):
        return ["; ".join(_text(view, leaf, window) for leaf in leaves) or "nothing is random"]
    lines = [_text(view, leaf, window) for leaf in leaves if not isinstance(leaf.value, Gated)]
    pairs = list(zip(views, draws, strict=True))
    for inner, draw in pairs:
        if _applies(draw, window):
            lines += [f"{type(inner).__name__}: {line}" for line in caption(inner, draw, window)]
    unused = [type(inner).__name__ for inner, draw in pairs if not _applies(draw, window)]
    return [*lines, f"not applied: {', '.join(unused)}"] if unused else lines


def views_inside(module: nn.Module) -> list[Augmentation]:
    """The views directly inside a view, in order; none inside one that is no composition.

    Examples
    --------
    >>> from tsclr.augment import Chain, Jitter, OneOf
    >>> [type(view).__name__ for view in views_inside(Chain([Jitter(), OneOf([Jitter()])]))]
    ['Jitter', 'OneOf']
    """
    views: list[Augmentation] = []
    for child in module.children():
        views += [child] if isinstance(child, Augmentation) else views_inside(child)
    return views


def _applies(gated: Gated, window: int) -> bool:
    """Whether the window is changed."""
    return gated.applies is None or bool(gated.applies[window])


def _hints(function_or_class: Any) -> dict[str, Any]:
    """Annotations; none where one of them cannot be resolved."""
    with contextlib.suppress(NameError, TypeError):
        return get_type_hints(function_or_class, include_extras=True)
    return {}


def _leaves(value: Any, hint: Any, name: str = "") -> Iterator[Leaf]:
    """Values in any nest of tuples and mappings, the draw of a view inside as one."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, None, str(key))
    elif isinstance(value, tuple | list) and not isinstance(value, Gated):
        fields = getattr(value, "_fields", [name] * len(value))
        hints = _hints(type(value))
        for field, item in zip(fields, value, strict=True):
            yield from _leaves(item, hints.get(field), field)
    elif value is not None:
        yield Leaf(_quantity(hint, name), _axes(hint), value)


def _quantity(hint: Any, name: str) -> Quantity:
    """What the annotation says that a value is, or the name of the field that holds it."""
    metadata = getattr(hint, "__metadata__", ())
    quantities = [item for item in metadata if isinstance(item, Quantity)]
    return quantities[0] if quantities else Quantity(name.replace("_", " "))


def _axes(hint: Any) -> tuple[str, ...]:
    """Letters of the axes in an annotation of jaxtyping, without the first, the batch."""
    array = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    return tuple(getattr(array, "dim_str", "").split())[1:]


def _text(view: Augmentation, leaf: Leaf, window: int) -> str:
    """The values of one window after their name."""
    if isinstance(leaf.value, Gated):
        leaves = _leaves(leaf.value.drawn, None)
        return ", ".join(_text(view, inner, window) for inner in leaves) or "nothing is random"
    text = str(leaf.value)
    if isinstance(leaf.value, torch.Tensor):
        values = leaf.value.detach().cpu()
        values = (values if values.ndim == 0 else values[window]).numpy()
        text = _values(values, leaf, view.channels)
    return f"{leaf.quantity.name}: {text}" if leaf.quantity.name else text


def _values(values: Shaped[np.ndarray, "..."], leaf: Leaf, channels: Sequence[str] | None) -> str:
    """Values as their kind is written, under the names of channels where they have a channel."""
    if leaf.quantity.kind == "quaternion":
        return ", ".join(map(_rotation, values.reshape(-1, 4)))
    if leaf.quantity.kind == "angle":
        return _degrees(values)
    if channels is not None and leaf.axes[:1] == ("C",) and len(values) == len(channels):
        return _by_channel(values, channels)
    return _numbers(values)


def _rotation(quaternion: Float[np.ndarray, "4"]) -> str:
    """A rotation as its angle and its axis."""
    real, vector = float(quaternion[0]), quaternion[1:]
    length = float(np.linalg.norm(vector))
    degrees = math.degrees(2 * math.atan2(length, abs(real)))
    x, y, z = math.copysign(1.0, real) * vector / max(length, 1e-12)
    return f"{degrees:.0f}° about ({x:.2f}, {y:.2f}, {z:.2f})"


def _degrees(radians: Float[np.ndarray, "..."]) -> str:
    """A few angles one by one, many by their range."""
    degrees = np.rad2deg(radians.flatten())
    if degrees.size > FEW:
        return f"{degrees.min():.0f}° to {degrees.max():.0f}°"
    return ", ".join(f"{value:.0f}°" for value in degrees)


def _by_channel(values: Shaped[np.ndarray, "C ..."], channels: Sequence[str]) -> str:
    """Values with the names of channels, or of a sensor where its channels share a value."""
    if values.dtype == bool and values.ndim == 1:
        return ", ".join(np.array(channels)[values]) or "none"
    sensors = np.array([device_sensor(channel) for channel in channels])
    texts = []
    for sensor in dict.fromkeys(sensors.tolist()):
        indices = np.flatnonzero(sensors == sensor).tolist()
        rows = values[indices]
        if rows[:1].size > FEW:
            texts.append(f"{sensor} {_numbers(rows)}")
        elif (rows == rows[:1]).all():
            texts.append(f"{sensor} {_numbers(rows[:1])}")
        else:
            texts += [f"{channels[index]} {_numbers(values[[index]])}" for index in indices]
    return ", ".join(texts)


def _numbers(values: Shaped[np.ndarray, "..."]) -> str:
    """A few numbers one by one, many by their range."""
    if values.dtype == bool:
        return f"{values.sum()} of {values.size}"
    if values.size > FEW:
        return f"{_number(values.min())} to {_number(values.max())}"
    return " ".join(map(_number, values.flat)) or "none"


def _number(value: Any) -> str:
    """Three digits of a fraction, all of a whole number."""
    if isinstance(value, np.integer):
        return str(value)
    return f"{value:.3g}".replace("inf", "∞")
