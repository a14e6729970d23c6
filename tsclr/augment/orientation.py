"""Windows in, views as a differently worn device would have recorded them out."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch.nn.functional import normalize

from tsclr.augment.base import Augmentation, in_range, normal, precision


@final
class Rotate(Augmentation):
    """Turn the device: one random rotation in SO(3) for all its sensors.

    The axis is uniform on the sphere and the angle is ``abs(N(0, spread))``. With
    ``spread = math.inf`` the rotation is uniform on SO(3) instead. Channels come as consecutive
    triads x, y, z; each triad is turned by the same rotation, because the sensors of a device are
    mounted on one board. Norms of the vectors do not change.

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
        If `spread` is negative; on use, if the channels do not form triads.

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
    ) -> Float[torch.Tensor, "B 4"]:
        """Draw unit quaternions, real part first."""
        _triads(x)
        values = normal(x, 4, generator=generator)
        if math.isinf(self.spread):
            return normalize(values, dim=1)
        # a negative angle about an axis is the positive angle about its opposite: same distribution
        half_angle = values[:, :1] * (self.spread / 2)
        axis = normalize(values[:, 1:], dim=1)
        return torch.cat([half_angle.cos(), half_angle.sin() * axis], dim=1)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B 4"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Turn every triad of a window alike."""
        turned = rotation_matrix(drawn)[:, None] @ _triads(x).to(precision(x))
        return turned.flatten(1, 2).to(x.dtype)


def rotation_matrix(quaternion: Float[torch.Tensor, "B 4"]) -> Float[torch.Tensor, "B 3 3"]:
    """Rotation matrices of unit quaternions (w, x, y, z).

    With v the vector part and [v] the matrix of the cross product with v, the matrix is
    ``I + 2 w [v] + 2 [v]²``.

    Parameters
    ----------
    quaternion : (B, 4) tensor
        Real part first, of norm 1.

    Examples
    --------
    >>> half_turn_about_z = torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    >>> rotation_matrix(half_turn_about_z)[0] @ torch.tensor([1.0, 2.0, 3.0])
    tensor([-1., -2.,  3.])
    """
    identity = torch.eye(3, dtype=quaternion.dtype, device=quaternion.device)
    vector = quaternion[:, None, 1:].expand(-1, 3, 3)
    # row i of [v] is the cross product of unit vector i with v
    cross = torch.linalg.cross(identity.expand_as(vector), vector, dim=2)
    return identity + 2 * (quaternion[:, :1, None] * cross + cross @ cross)


def _triads(x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B S 3 T"]:
    """View the channels as sensors of three axes each."""
    if x.shape[1] % 3:
        raise ValueError(
            f"windows have shape {tuple(x.shape)}: a rotation needs whole triads x, y, z of each "
            "sensor, so C must be a multiple of 3; drop or add channels, or leave Rotate out, and "
            "if time came before the channels pass x.transpose(1, 2)"
        )
    return x.unflatten(1, (-1, 3))
