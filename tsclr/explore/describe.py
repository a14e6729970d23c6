"""A view and what it drew in, words for people out.

Nothing here knows a class: the sentence that documents `draw` says what was drawn, the annotation
of what it gives says along which axes, and the views inside a view are its children. So a view
that somebody else wrote is told as well as ours.
"""

import contextlib
import inspect
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import nn

from tsclr.augment import Augmentation
from tsclr.augment.base import Gated
from tsclr.specs import spec_of
from tsclr.types import device_sensor

FEW = 6
"""So many numbers are listed; of more, how many there are and their range is told."""


class Leaf(NamedTuple):
    """One value among those drawn: a tensor, the draw of a view inside, or something else."""

    name: str
    """Of the field that holds it; empty where it has none."""
    axes: tuple[str, ...]
    """Letters of its axes; empty where no annotation says them."""
    value: Any


def call_of(view: Augmentation) -> str:
    """The call that makes `view`, as one would write it.

    Parameters
    ----------
    view : Augmentation
        Any. The arguments of one that does not keep them are an ellipsis.

    Examples
    --------
    >>> from tsclr.augment import Jitter, OneOf
    >>> call_of(OneOf([Jitter(sd=0.1)], p=0.5))
    'OneOf(augmentations=[Jitter(sd=0.1, p=1)], weights=None, p=0.5)'
    """
    try:
        return _written(spec_of(view))
    except TypeError:
        return f"{type(view).__name__}(…)"


def _written(spec: Any) -> str:
    """A spec as code."""
    if isinstance(spec, list):
        return f"[{', '.join(map(_written, spec))}]"
    if not isinstance(spec, Mapping) or "class" not in spec:
        return f"{spec:g}" if isinstance(spec, float) else repr(spec)
    arguments = [f"{name}={_written(value)}" for name, value in spec.items() if name != "class"]
    return f"{spec['class']}({', '.join(arguments)})"


def tell(view: Augmentation, gated: Gated, window: int) -> list[str]:
    """What `view` drew for one window of a batch: a line, and one for each view inside.

    Parameters
    ----------
    view : Augmentation
        Its `for_channels` lets the lines name channels.
    gated : Gated
        As its `draw_gated` gave it.
    window : int
        Which window of the batch.

    Examples
    --------
    >>> from tsclr.augment import Chain, Mirror, Scale
    >>> channels = ["acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z"]
    >>> view = Chain([Scale(sd=0.0), Mirror(p=0.0)]).for_channels(channels)
    >>> tell(view, view.draw_gated(torch.zeros(2, 6, 8)), window=0)
    ['Scale: the gain of each channel: acc 1, gyr 1', 'left out: Mirror']
    """
    if not _applies(gated, window):
        return [f"left out: {type(view).__name__}"]
    steps = steps_of(view)
    leaves = list(_leaves(gated.drawn, _hints(type(view).draw).get("return")))
    inner = [leaf.value for leaf in leaves if isinstance(leaf.value, Gated)]
    if not inner or len(inner) != len(steps):
        return [_sentence(view, leaves, window)]
    lines = [_value(view, leaf, window) for leaf in leaves if not isinstance(leaf.value, Gated)]
    pairs = list(zip(steps, inner, strict=True))
    for step, each in pairs:
        if _applies(each, window):
            lines += [f"{type(step).__name__}: {line}" for line in tell(step, each, window)]
    unused = [type(step).__name__ for step, each in pairs if not _applies(each, window)]
    return [*lines, f"left out: {', '.join(unused)}"] if unused else lines


def steps_of(module: nn.Module) -> list[Augmentation]:
    """The views directly inside a view, in order.

    Parameters
    ----------
    module : nn.Module
        A composition; a plain view has none inside.

    Examples
    --------
    >>> from tsclr.augment import Chain, Jitter, OneOf
    >>> [type(step).__name__ for step in steps_of(Chain([Jitter(), OneOf([Jitter()])]))]
    ['Jitter', 'OneOf']
    """
    found: list[Augmentation] = []
    for child in module.children():
        found += [child] if isinstance(child, Augmentation) else steps_of(child)
    return found


def _applies(gated: Gated, window: int) -> bool:
    """Whether the window is changed."""
    return gated.applies is None or bool(gated.applies[window])


def _hints(thing: Any) -> dict[str, Any]:
    """Annotations; none where one of them cannot be read."""
    with contextlib.suppress(NameError, TypeError):
        return get_type_hints(thing)
    return {}


def _leaves(value: Any, hint: Any, name: str = "") -> Iterator[Leaf]:
    """Values in any nest of tuples and mappings, the draw of a view inside as one."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, None, str(key))
    elif isinstance(value, tuple | list) and not isinstance(value, Gated):
        names = getattr(value, "_fields", [name] * len(value))
        hints = _hints(type(value))
        for each, part in zip(names, value, strict=True):
            yield from _leaves(part, hints.get(each), each)
    elif value is not None:
        # the first axis is the batch
        yield Leaf(name, tuple(getattr(hint, "dim_str", "").split())[1:], value)


def _sentence(view: Augmentation, leaves: Sequence[Leaf], window: int) -> str:
    """What `draw` says it draws, and the values."""
    values = "; ".join(_value(view, leaf, window) for leaf in leaves)
    what = " ".join(_purpose(view).partition("\n\n")[0].split())
    what = re.split("[.:;]", what.removeprefix("Draw").replace("`", ""))[0].strip()
    if not values:
        return "nothing is random"
    return f"{what}: {values}" if what and "quaternion" not in what else values


def _purpose(view: Augmentation) -> str:
    """What documents `draw`."""
    return inspect.getdoc(type(view).draw) or ""


def _value(view: Augmentation, leaf: Leaf, window: int) -> str:
    """The values of one window, after the name of their field."""
    if isinstance(leaf.value, Gated):
        parts = _leaves(leaf.value.drawn, None)
        return ", ".join(_value(view, part, window) for part in parts) or "nothing is random"
    text = str(leaf.value)
    if isinstance(leaf.value, torch.Tensor):
        whole = leaf.value.detach().cpu()
        values = (whole if whole.ndim == 0 else whole[window]).numpy()
        text = _values(values, leaf.name or _purpose(view), leaf.axes, view)
    return f"{leaf.name.replace('_', ' ')} {text}".strip()


def _values(
    values: Shaped[np.ndarray, "..."], what: str, axes: tuple[str, ...], view: Augmentation
) -> str:
    """Values in the words that fit `what` they are."""
    if "quaternion" in what and values.shape[-1:] == (4,):
        return ", ".join(map(_turn, values.reshape(-1, 4)))
    if re.search(r"\bangles?\b", what) and values.dtype.kind == "f":
        return ", ".join(f"{degrees:.0f}°" for degrees in np.rad2deg(values).flat)
    if view.channels is not None and axes[:1] == ("C",) and len(values) == len(view.channels):
        return _by_channel(values, view.channels)
    return _numbers(values)


def _turn(quaternion: Float[np.ndarray, "4"]) -> str:
    """A rotation as its angle and its axis."""
    real, vector = float(quaternion[0]), quaternion[1:]
    length = float(np.linalg.norm(vector))
    degrees = math.degrees(2 * math.atan2(length, abs(real)))
    x, y, z = math.copysign(1.0, real) * vector / max(length, 1e-12)
    return f"turned by {degrees:.0f}° about ({x:.2f}, {y:.2f}, {z:.2f})"


def _by_channel(values: Shaped[np.ndarray, "C ..."], channels: Sequence[str]) -> str:
    """Values under the names of channels, or of a sensor where its channels share them."""
    if values.dtype == bool and values.ndim == 1:
        return ", ".join(np.array(channels)[values]) or "none"
    sensors = np.array([device_sensor(channel) for channel in channels])
    texts = []
    for sensor in dict.fromkeys(sensors.tolist()):
        places = np.flatnonzero(sensors == sensor).tolist()
        own = values[places]
        if own[:1].size > FEW:
            texts.append(f"{sensor} {_numbers(own)}")
        elif (own == own[:1]).all():
            texts.append(f"{sensor} {_numbers(own[:1])}")
        else:
            texts += [f"{channels[place]} {_numbers(values[[place]])}" for place in places]
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
