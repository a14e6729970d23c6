"""A batch of windows (B, C, T) in, a batch of views of the same shape, type and device out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import nn

from tsclr.augment.channels import Triad, find_triads, number_sensors
from tsclr.augment.draws import uniform
from tsclr.checks import in_range

Augmented = TypeVar("Augmented", bound="Augmentation")


class Gated(NamedTuple):
    """What one augmentation drew for a batch, and which windows it is applied to."""

    applies: Bool[torch.Tensor, " B"] | None
    """``None`` is every window."""
    drawn: Any


@dataclass(frozen=True)
class Quantity:
    """What a tensor that `Augmentation.draw` returns holds, as the captions of pictures say it.

    It goes into the annotation of the tensor: the return type of `draw`, or a field of the named
    tuple that `draw` returns. A view without it has captions too, with the values alone.

    Parameters
    ----------
    name : str
        Such as ``"gain"``; it stands before the values.
    kind : "number", "angle" or "quaternion"
        An angle in radians is shown in degrees, a unit quaternion, real part first, as the angle
        and the axis of a rotation.

    Examples
    --------
    >>> from typing import Annotated
    >>> Gains = Annotated[Float[torch.Tensor, "B C"], Quantity("gain")]
    >>> Gains.__metadata__[0].name
    'gain'
    """

    name: str
    kind: Literal["number", "angle", "quaternion"] = "number"


class Augmentation(nn.Module, ABC):
    """A random change of a window that keeps what the window shows.

    The random draw and the deterministic transform are two methods, and nothing drawn is kept on
    the object. A subclass writes both; `forward` joins them and is final.

    Parameters
    ----------
    p : float
        Probability that a window is changed, independently for each window.

    Raises
    ------
    ValueError
        If `p` lies outside 0 to 1.
    """

    channels: tuple[str, ...] | None = None
    """Names of the channels, if `for_channels` has set them."""
    mixes_windows: ClassVar[bool] = False
    """Whether a view is made of several windows of the batch, as in `Mixup`."""

    def __init__(self, p: float = 1.0) -> None:
        super().__init__()
        self.p = in_range("p", p, 0.0, 1.0)

    @final
    def for_channels(self: Augmented, channels: Sequence[str]) -> Augmented:
        """Name the channels of the windows, here and in every augmentation inside.

        Without names, consecutive threes of channels are the axes x, y, z of the sensors of one
        device, and up to nine channels are acc, gyr, mag in this order. An augmentation that is
        part of two pipelines keeps the names it was given last.

        Parameters
        ----------
        channels : sequence of str
            C names as ``acc_x``, or ``wrist_acc_x`` where there are several devices.

        Returns
        -------
        Augmentation
            The object itself.

        Raises
        ------
        ValueError
            If two channels have the same name.

        Examples
        --------
        >>> from tsclr.augment import Mirror
        >>> Mirror().for_channels(["gyr_x", "gyr_y", "gyr_z"])(torch.ones(1, 3, 2))[0, :, 0]
        tensor([ 1., -1., -1.])
        """
        if isinstance(channels, str) or len(set(channels)) < len(channels):
            raise ValueError(f"channels are {channels!r}, expected different names in a sequence")
        for module in self.modules():
            if isinstance(module, Augmentation):
                module.channels = tuple(channels)
        return self

    @final
    def triads(self, x: Float[torch.Tensor, "B C T"]) -> list[Triad]:
        """Sensors with three axes.

        Parameters
        ----------
        x : (B, C, T) tensor
            Windows.

        Raises
        ------
        ValueError
            If there is none.
        """
        triads = find_triads(self.channels, x.shape[1])
        if not triads:
            raise ValueError(
                f"{type(self).__name__} needs the axes x, y, z of a sensor, windows have shape "
                f"{tuple(x.shape)} and channels {self.channels or 'without names'}: add the "
                "missing axes or leave it out; if time came before the channels pass "
                "x.transpose(1, 2)"
            )
        return triads

    @final
    def sensors(self, x: Float[torch.Tensor, "B C T"]) -> Int[torch.Tensor, " C"]:
        """Number of the sensor that each channel belongs to.

        Parameters
        ----------
        x : (B, C, T) tensor
            Windows.
        """
        return torch.tensor(number_sensors(self.channels, x.shape[1]), device=x.device)

    @abstractmethod
    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Any:
        """Draw the random values of every window.

        Parameters
        ----------
        x : (B, C, T) tensor
            Windows. Only shape, dtype and device count, never the values.
        generator : torch.Generator, optional
            On the device of `x`; ``None`` is the global one, which ``torch.compile`` needs.

        Returns
        -------
        tensor or tuple of tensors
            Each with B first; an empty tuple where nothing is random but which windows change.
            Annotate it with a `Quantity` to name the values in captions.
        """

    @abstractmethod
    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Any
    ) -> Float[torch.Tensor, "B C T"]:
        """Apply what `draw` gave, the same way every time.

        Parameters
        ----------
        x : (B, C, T) tensor
            Windows; they are not changed in place.
        drawn : tensor or tuple of tensors
            As `draw` gives it.

        Returns
        -------
        (B, C, T) tensor
            Views.
        """

    @final
    def forward(
        self, x: torch.Tensor, generator: torch.Generator | None = None
    ) -> Float[torch.Tensor, "B C T"]:
        """Draw, transform, and keep each window as it is with probability ``1 - p``.

        Parameters
        ----------
        x : (B, C, T) tensor
            Windows, floating, finite, at least one channel and two samples.
        generator : torch.Generator, optional
            On the device of `x`; ``None`` is the global one, which ``torch.compile`` needs.

        Returns
        -------
        (B, C, T) tensor
            Views of the same dtype on the same device.

        Raises
        ------
        ValueError
            If `x` is not such a batch, or has other channels than `for_channels` was given.
        """
        check_windows(x)
        if torch.is_autocast_enabled(x.device.type):
            # mixed precision would round positions in time to eight bits
            with torch.autocast(x.device.type, enabled=False):
                return self.transform_gated(x, self.draw_gated(x, generator))
        return self.transform_gated(x, self.draw_gated(x, generator))

    @final
    def draw_gated(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Gated:
        """Draw which windows are changed, and how.

        Parameters
        ----------
        x : (B, C, T) tensor
            Windows.
        generator : torch.Generator, optional
            On the device of `x`.

        Raises
        ------
        ValueError
            If `x` has another number of channels than `for_channels` was given.
        """
        if self.channels is not None and len(self.channels) != x.shape[1]:
            raise ValueError(
                f"windows have {x.shape[1]} channels, for_channels was given "
                f"{len(self.channels)}: {', '.join(self.channels)}"
            )
        # None saves drawing the gate here and selecting by it in `transform_gated`.
        applies = None if self.p == 1.0 else uniform(x, generator=generator) < self.p
        return Gated(applies, self.draw(x, generator))

    @final
    def transform_gated(
        self, x: Float[torch.Tensor, "B C T"], gated: Gated
    ) -> Float[torch.Tensor, "B C T"]:
        """Transform the windows that `gated` names and pass the others through.

        Parameters
        ----------
        x : (B, C, T) tensor
            Windows.
        gated : Gated
            As `draw_gated` gives it.
        """
        views = self.transform(x, gated.drawn)
        if gated.applies is None:
            return views
        # lerp by 0 or 1 selects finite values exactly, in half the time of where
        return torch.lerp(x, views, gated.applies[:, None, None].to(x.dtype))


def map_drawn(function: Callable[[torch.Tensor], torch.Tensor], drawn: Any) -> Any:
    """What was drawn, with every tensor of it replaced, such as by some of its rows.

    Examples
    --------
    >>> map_drawn(lambda values: values[:2], Gated(None, (torch.arange(3), ())))
    Gated(applies=None, drawn=(tensor([0, 1]), ()))
    """
    if drawn is None:
        return None
    if isinstance(drawn, torch.Tensor):
        return function(drawn)
    parts = [map_drawn(function, part) for part in drawn]
    return type(drawn)(*parts) if hasattr(drawn, "_fields") else tuple(parts)


def check_windows(x: torch.Tensor) -> None:
    """Raise ``ValueError`` unless `x` is a floating batch of windows."""
    if x.ndim == 3 and x.is_floating_point() and x.shape[1] >= 1 and x.shape[2] >= 2:
        return
    hint = "convert integers with x.float(), use at least one channel and two samples"
    if x.ndim == 2:
        hint = "a single window needs a leading axis: pass x[None]"
    raise ValueError(
        f"windows have shape {tuple(x.shape)} and dtype {x.dtype}, "
        f"expected a floating (B, C, T) with T ≥ 2: {hint}"
    )
