"""Augmenters of the library tsaug as views."""

import functools
import importlib
import inspect
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Any, final

import numpy as np
import torch
from jaxtyping import Float, Int

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.draws import integers, precision
from tsclr.specs import nearest, subclasses

__all__ = ["FromTsaug"]

_LEFT_OUT = ("repeats", "seed")
"""Arguments of tsaug that a description leaves out: windows stay one each, we give the seeds."""


@final
class FromTsaug(Augmentation):
    """Run augmenters of tsaug, one after the other.

    Each window draws a seed. Their sum starts a NumPy generator, and from it each augmenter takes
    the windows for its `prob` and then a seed of its own, so that no two share their random numbers
    and every call has new ones. A `seed` that an augmenter came with is set aside: it would make
    both views equal.

    tsaug draws for the batch as a whole. What a window gets depends on its place and on how many
    windows there are, though never on the values of the others. It computes with NumPy on the
    CPU, in float32, or float64 if the windows are. No gradient passes through, and
    ``torch.compile`` cannot make one graph of it.

    Parameters
    ----------
    augmenter : tsaug augmenter or pipeline, mapping, or list of these
        A mapping has the ``name`` of a class of tsaug and its arguments, as in YAML. To tsaug a
        tuple is an interval and a list a choice, but YAML and JSON know lists only: write the
        tuple (0.1, 0.5) as ``{"tuple": [0.1, 0.5]}``. The attribute holds such mappings, whatever
        was passed. An empty list gives the window itself.
    p : float
        Probability per window; the `prob` of each augmenter counts as well.

    Raises
    ------
    KeyError
        If tsaug has no such augmenter.
    TypeError
        If it has no such argument, or `augmenter` is something else.
    ValueError
        If an augmenter changes the number of windows (`repeats`) or their length (``Resize``, or
        ``Crop`` without `resize`); on use, if a value is NaN or infinite, which tsaug would spread
        over the channel, or tsaug cannot take windows of this length.

    Notes
    -----
    ``AddNoise`` and ``Drift`` scale what they add by the range of each channel, so a channel that
    stays at one value gets nothing, unless `normalize` is false. ``Quantize`` works with
    ``how="uniform"`` only: "quantile" takes percentiles from 0 to 0.01 instead of 100, "kmeans"
    needs an old scikit-learn.

    References
    ----------
    https://tsaug.readthedocs.io, of Arundo Analytics.

    Examples
    --------
    >>> view = FromTsaug([{"name": "AddNoise", "scale": 0.1, "normalize": False}])
    >>> round(view(torch.zeros(64, 6, 128)).std().item(), 2)
    0.1
    >>> FromTsaug({"name": "Crop", "size": {"tuple": [90, 128]}, "resize": 128}).augmenter
    [{'name': 'Crop', 'size': {'tuple': [90, 128]}, 'resize': 128, 'prob': 1.0}]
    """

    def __init__(self, augmenter: Any = (), p: float = 1.0) -> None:
        super().__init__(p)
        self.augmenter = [_describe(member) for member in _members(augmenter)]

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Int[torch.Tensor, " B"], Quantity("seed")]:
        """Draw a seed for each window."""
        return integers(x, 0, 2**63 - 1, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Int[torch.Tensor, " B"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Run the augmenters with seeds that follow from those drawn."""
        # a copy in any case: the augmented windows are written into it
        X = np.array(x.detach().to("cpu", precision(x)).mT.numpy(), order="C")
        _check_finite(X, "windows have", "fill them first")
        # The sum may wrap round; the remainder makes it a seed all the same.
        rng = np.random.default_rng(int(drawn.sum()) % 2**63)
        for description in self.augmenter:
            rows = rng.random(len(X)) < description["prob"]
            seed = int(rng.integers(2**32))
            if rows.any():
                X[rows] = _augment(description, seed, X[rows])
        return torch.from_numpy(X).mT.contiguous().to(x.device, x.dtype)


def _augment(
    description: dict[str, Any], seed: int, X: Float[np.ndarray, "B T C"]
) -> Float[np.ndarray, "B T C"]:
    """Run one augmenter on all of `X`."""
    name = description["name"]
    # its own gate would reuse the seed of what it gates, and that of Crop is one for the batch
    augmenter = _build(description | {"prob": 1.0, "seed": seed})
    try:
        with np.errstate(all="ignore"):  # what it warns of is an error below
            views = augmenter.augment(X).astype(X.dtype)
    except (TypeError, ValueError) as error:
        message = f"tsaug's {name} cannot take windows of {X.shape[1]} samples: {error}"
        raise ValueError(message) from error
    if views.shape != X.shape:
        raise ValueError(
            f"tsaug's {name} makes {views.shape[1]} samples of {X.shape[1]}, a view keeps the "
            f"length: set its resize to {X.shape[1]}"
        )
    _check_finite(views, f"tsaug's {name} made", "check its arguments")
    return views


def _check_finite(X: Float[np.ndarray, "B T C"], who: str, hint: str) -> None:
    """Raise ``ValueError`` if a value is NaN or infinite."""
    finite = np.isfinite(X)
    if not finite.all():
        raise ValueError(
            f"{who} {np.count_nonzero(~finite)} values that are NaN or infinite, in "
            f"{np.count_nonzero(~finite.all(axis=(1, 2)))} of {len(X)} windows: {hint}"
        )


def _members(augmenter: Any) -> list[Any]:
    """Augmenters, first applied first, that an augmenter, a pipeline or a description holds."""
    base = _import_base()
    if isinstance(augmenter, base._Augmenter):
        return [augmenter]
    if isinstance(augmenter, Mapping):
        return [_build(augmenter)]
    if isinstance(augmenter, list | tuple | base._AugmenterPipe):
        return [member for child in augmenter for member in _members(child)]
    raise TypeError(
        f"augmenter is {augmenter!r}, allowed are augmenters and pipelines of tsaug and mappings "
        'such as {"name": "AddNoise", "scale": 0.1}'
    )


def _build(description: Mapping[str, Any]) -> Any:
    """Build the augmenter that `description` names."""
    arguments = {key: _with_tuples(value) for key, value in description.items()}
    name = arguments.pop("name", None)
    augmenters = subclasses(_import_base()._Augmenter)
    if name is None:
        raise KeyError(f"an augmenter of tsaug needs a `name`, there is {dict(description)}")
    if name not in augmenters:
        raise KeyError(f"no augmenter of tsaug called {name!r}: {nearest(str(name), augmenters)}")
    accepted = inspect.signature(augmenters[name]).parameters
    for argument in arguments:
        if argument not in accepted:
            raise TypeError(
                f"tsaug's {name} has no argument {argument!r}: {nearest(argument, accepted)}"
            )
    try:
        return augmenters[name](**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"tsaug's {name} cannot take {arguments}: {error}") from error


def _describe(augmenter: Any) -> dict[str, Any]:
    """Plain description of an augmenter that keeps number and length of the windows."""
    name = type(augmenter).__name__
    if augmenter.repeats > 1:
        raise ValueError(
            f"tsaug's {name} has repeats {augmenter.repeats}, allowed is 1: a window gives one view"
        )
    if name == "Resize" or (name == "Crop" and augmenter.resize is None):
        raise ValueError(
            f"tsaug's {name} changes the length of the windows: use Crop with resize set to it"
        )
    names = [key for key in inspect.signature(type(augmenter)).parameters if key not in _LEFT_OUT]
    return {"name": name} | {key: _without_tuples(getattr(augmenter, key)) for key in names}


def _without_tuples(value: Any) -> Any:
    """Write tuples as mappings, which JSON and YAML keep apart from lists."""
    if isinstance(value, tuple):
        return {"tuple": [_without_tuples(item) for item in value]}
    if isinstance(value, list):
        return [_without_tuples(item) for item in value]
    return value


def _with_tuples(value: Any) -> Any:
    """Undo `_without_tuples`."""
    if isinstance(value, Mapping) and set(value) == {"tuple"}:
        return tuple(_with_tuples(item) for item in value["tuple"])
    if isinstance(value, list):
        return [_with_tuples(item) for item in value]
    return value


@functools.cache
def _import_base() -> ModuleType:
    """Import tsaug and give the module of its base classes, which it does not export."""
    with warnings.catch_warnings():  # tsaug uses a name that SciPy has deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("tsaug._augmenter.base")
