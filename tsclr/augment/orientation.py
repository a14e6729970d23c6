"""Windows in, views of a differently worn device out.

Every view here is one linear map of the channels for each window. The sensors of a device sit on
one board, so they turn together; channels that belong to no sensor with three axes stay as they
are. Norms of the vectors, and so of gravity, do not change.
"""

import itertools
import math
from typing import Annotated, final

import torch
from jaxtyping import Float, Int
from torch.nn.functional import normalize

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.draws import integers, normal, precision, uniform
from tsclr.checks import in_range

__all__ = ["Mirror", "MountFlip", "Rotate", "Yaw"]

LEAST_GRAVITY = 0.1
"""g; a shorter mean of the accelerometer tells no direction."""


@final
class Rotate(Augmentation):
    """Turn each device: one random rotation in SO(3) for all its sensors.

    The axis is uniform on the sphere and the angle is ``abs(N(0, spread))``. With
    ``spread = math.inf`` the rotation is uniform on SO(3) instead.

    Parameters
    ----------
    spread : float
        Standard deviation of the normal behind the angle in radians, or ``math.inf``. The mean
        angle is 0.8 `spread`.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `spread` is negative; on use, if no sensor has three axes.

    References
    ----------
    Um et al., ICMI 2017, section 3; there every rotation is uniform. The unit quaternion of four
    normal values is uniform on SO(3): Muller, "A note on a method for generating points uniformly
    on n-dimensional spheres", Communications of the ACM 2 (1959).

    Examples
    --------
    >>> x = torch.randn(2, 6, 128)
    >>> view = Rotate(spread=0.3)(x)
    >>> torch.allclose(view[:, :3].norm(dim=1), x[:, :3].norm(dim=1), atol=1e-5)
    True
    """

    def __init__(self, spread: float = 0.3, p: float = 1.0) -> None:
        super().__init__(p)
        self.spread = in_range("spread", spread, 0.0, math.inf)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B n_devices 4"], Quantity("rotation", "quaternion")]:
        """Draw a unit quaternion for each device, real part first."""
        values = normal(x, max(_devices(self, x)) + 1, 4, generator=generator)
        if self.spread == math.inf:
            return normalize(values, dim=2)
        # a negative angle about an axis is the positive angle about its opposite: same distribution
        half_angle = values[..., :1] * (self.spread / 2)
        axis = normalize(values[..., 1:], dim=2)
        return torch.cat([half_angle.cos(), half_angle.sin() * axis], dim=2)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B n_devices 4"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Turn the sensors of a device alike."""
        return _turn(self, x, rotation_matrix(drawn)[:, _devices(self, x)])


@final
class Yaw(Augmentation):
    """Turn each device about gravity: the wearer carries it facing another way.

    The axis is the mean of the accelerometer over the window, which for windows of seconds is
    close to gravity; what the posture says stays. A device without accelerometer, and a window
    with a mean below 0.1 g (free fall, gravity taken out), have no such axis and stay as they are.

    Parameters
    ----------
    spread : float
        Largest angle in radians; the angle is uniform from ``-spread`` to ``spread``.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `spread` lies outside 0 to π; on use, if there is no accelerometer with three axes.

    References
    ----------
    Rodrigues' formula turns about the axis. That the heading of a phone is arbitrary and its
    gravity is not: Mizell, "Using gravity to estimate accelerometer orientation", ISWC 2003.

    Examples
    --------
    >>> x = torch.randn(2, 6, 128) + torch.tensor([0, 0, 1, 0, 0, 0.0])[:, None]
    >>> view = Yaw()(x)
    >>> torch.allclose(view[:, :3].mean(dim=2), x[:, :3].mean(dim=2), atol=1e-5)
    True
    """

    def __init__(self, spread: float = math.pi, p: float = 1.0) -> None:
        super().__init__(p)
        self.spread = in_range("spread", spread, 0.0, math.pi)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B n_devices"], Quantity("angle", "angle")]:
        """Draw an angle for each device."""
        n_devices = max(_devices(self, x)) + 1
        return self.spread * (2 * uniform(x, n_devices, generator=generator) - 1)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B n_devices"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Turn the sensors of a device about the mean of its accelerometer."""
        triads, devices = self.triads(x), _devices(self, x)
        up = drawn.new_zeros(*drawn.shape, 3)
        for triad, device in zip(triads, devices, strict=True):
            if triad.kind == "acc":
                up[:, device] = x[:, triad.axes].mean(dim=2, dtype=up.dtype)
        if not any(triad.kind == "acc" for triad in triads):
            raise ValueError(
                f"Yaw needs an accelerometer with three axes, there are {self.channels or x.shape}:"
                " name it acc with for_channels, or use Rotate"
            )
        up = up * (up.norm(dim=2, keepdim=True) >= LEAST_GRAVITY)
        # Without an axis the vector part is 0, and the matrix the identity at any angle.
        half_turn = drawn[..., None] / 2
        quaternion = torch.cat([half_turn.cos(), half_turn.sin() * normalize(up, dim=2)], dim=2)
        return _turn(self, x, rotation_matrix(quaternion)[:, devices])


@final
class MountFlip(Augmentation):
    """Turn each device to another way in which it can be strapped on.

    A watch sits on the left or the right wrist with its crown to the hand or to the elbow: the
    half turns about its three axes. A sensor in a square pouch can also be a quarter turn off: the
    24 rotations that take a cube to itself. All are equally likely, leaving it as it is among them.

    Parameters
    ----------
    quarter_turns : bool
        Allow all 24 instead of the 4 made of half turns.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        On use, if no sensor has three axes.

    Examples
    --------
    >>> x = torch.tensor([[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]])
    >>> MountFlip(quarter_turns=True)(x)[0, :, 0].abs().sort().values
    tensor([1., 2., 3.])
    """

    def __init__(self, quarter_turns: bool = False, p: float = 1.0) -> None:
        super().__init__(p)
        self.quarter_turns = quarter_turns

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Int[torch.Tensor, "B n_devices"], Quantity("index of the rotation")]:
        """Draw the number of a rotation for each device."""
        n_ways = 24 if self.quarter_turns else 4
        return integers(x, 0, n_ways, max(_devices(self, x)) + 1, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Int[torch.Tensor, "B n_devices"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Turn the sensors of a device alike."""
        ways = torch.tensor(mount_flips(self.quarter_turns), dtype=precision(x), device=x.device)
        return _turn(self, x, ways[drawn][:, _devices(self, x)])


@final
class Mirror(Augmentation):
    """Wear it on the other side of a mirrored body: left becomes right.

    Accelerations are mirrored like positions, the component along `axis` changes its sign. A rate
    of turn is a pseudo-vector: its components across `axis` change instead. The Earth's field does
    not turn with the wearer, so the magnetometer of the mirrored wearer reads as the accelerometer
    does.

    Parameters
    ----------
    axis : {"x", "y", "z"}
        Axis of the device that points to the wearer's side.
    p : float
        Probability per window; at 1 every window is mirrored, ½ suits most pipelines.

    Raises
    ------
    ValueError
        If there is no such axis; on use, if no sensor has three axes, or it is not known which
        one is the gyroscope.

    Examples
    --------
    >>> Mirror(axis="y")(torch.ones(1, 6, 2))[0, :, 0]
    tensor([ 1., -1.,  1., -1.,  1., -1.])
    """

    def __init__(self, axis: str = "x", p: float = 1.0) -> None:
        super().__init__(p)
        if axis not in ("x", "y", "z"):
            raise ValueError(f"axis is {axis!r}, allowed are 'x', 'y' and 'z'")
        self.axis = axis

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> tuple[()]:
        """Draw nothing: a mirror has one way to mirror."""
        return ()

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: tuple[()]
    ) -> Float[torch.Tensor, "B C T"]:
        """Change the signs."""
        signs = [1.0] * x.shape[1]
        for triad in self.triads(x):
            if not triad.kind:
                raise ValueError(
                    f"Mirror needs to know which of {x.shape[1]} channels are the gyroscope: name "
                    "them with for_channels"
                )
            along = triad.axes["xyz".index(self.axis)]
            for channel in triad.axes:
                is_pseudo = triad.kind == "gyr"
                signs[channel] = -1.0 if (channel == along) != is_pseudo else 1.0
        return x * x.new_tensor(signs)[:, None]


def rotation_matrix(quaternion: Float[torch.Tensor, "*B 4"]) -> Float[torch.Tensor, "*B 3 3"]:
    """Rotation matrices of unit quaternions (w, x, y, z).

    With v the vector part and [v] the matrix of the cross product with v, the matrix is
    ``I + 2 w [v] + 2 [v]²``.

    Examples
    --------
    >>> half_turn_about_z = torch.tensor([0.0, 0.0, 0.0, 1.0])
    >>> rotation_matrix(half_turn_about_z) @ torch.tensor([1.0, 2.0, 3.0])
    tensor([-1., -2.,  3.])
    """
    identity = torch.eye(3, dtype=quaternion.dtype, device=quaternion.device)
    vector = quaternion[..., None, 1:].expand(*quaternion.shape[:-1], 3, 3)
    # row i of [v] is the cross product of unit vector i with v
    cross = torch.linalg.cross(identity.expand_as(vector), vector, dim=-1)
    return identity + 2 * (quaternion[..., :1, None] * cross + cross @ cross)


def mount_flips(quarter_turns: bool) -> list[list[list[float]]]:
    """Rotations that take a box, or a cube, to itself, leaving it among them first.

    They are the matrices with one ±1 in each row and column and determinant 1; for the box only
    those on whose diagonal it lies.

    Examples
    --------
    >>> len(mount_flips(True)), mount_flips(False)[1]
    (24, [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    """
    flips = []
    for order, signs in itertools.product(
        itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)
    ):
        # The determinant, the sign of the permutation times those of the entries, has to be 1.
        n_swaps = sum(a > b for a, b in itertools.combinations(order, 2))
        is_rotation = math.prod(signs) == (-1) ** n_swaps
        if is_rotation and (quarter_turns or order == (0, 1, 2)):
            entries = zip(order, signs, strict=True)
            flips.append([[s if c == o else 0.0 for c in range(3)] for o, s in entries])
    return flips


def _devices(view: Augmentation, x: Float[torch.Tensor, "B C T"]) -> list[int]:
    """Number of the device of each sensor, from 0."""
    carriers = [triad.device for triad in view.triads(x)]
    return [list(dict.fromkeys(carriers)).index(device) for device in carriers]


def _turn(
    view: Augmentation, x: Float[torch.Tensor, "B C T"], turns: Float[torch.Tensor, "B S 3 3"]
) -> Float[torch.Tensor, "B C T"]:
    """Multiply each sensor by its matrix; other channels stay."""
    B, C, _ = x.shape
    entries = [C * i + j for triad in view.triads(x) for i in triad.axes for j in triad.axes]
    # `repeat`, not `expand`: the entries of each window are assigned below.
    mixing = torch.eye(C, dtype=turns.dtype, device=x.device).flatten().repeat(B, 1)
    mixing[:, entries] = turns.flatten(1)
    return (mixing.view(B, C, C) @ x.to(turns.dtype)).to(x.dtype)
