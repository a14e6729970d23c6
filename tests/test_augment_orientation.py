import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.transform import Rotation

from tests.support.views import CLASSES, batch, default, seeded
from tsclr.augment import Mirror, MountFlip, Rotate, Yaw
from tsclr.augment.orientation import mount_flips, rotation_matrix

TURNS = [cls for cls in CLASSES.values() if cls.__module__ == "tsclr.augment.orientation"]
every = pytest.mark.parametrize("cls", TURNS, ids=lambda cls: cls.__name__)

TWO_DEVICES = [
    f"{device}_{sensor}_{axis}"
    for device in ("wrist", "pocket")
    for sensor in ("acc", "gyr")
    for axis in "xyz"
]


def worn(C: int = 6) -> torch.Tensor:
    """Noise on top of gravity of 1 g along y, which the first three channels measure."""
    x = 0.1 * batch(C=C)
    x[:, 1] += 1.0
    return x


# ---------------------------------------------------------------- physics, every class


@every
def test_gravity_keeps_its_norm(cls):
    x = worn(9)
    view = default(cls, 1.0)(x, seeded())
    for sensor in range(3):
        axes = slice(3 * sensor, 3 * sensor + 3)
        torch.testing.assert_close(view[:, axes].norm(dim=1), x[:, axes].norm(dim=1))


@every
def test_acc_gyr_and_mag_of_a_device_turn_together_cl_har(cls):
    """CL-HAR draws a rotation for each sensor triad (FACTS § 3.5): they sit on one board."""
    view = default(cls, 1.0)(worn(3).repeat(1, 3, 1), seeded())
    torch.testing.assert_close(view[:, 6:], view[:, :3])
    sign = -1.0 if cls is Mirror else 1.0  # a rate of turn is a pseudo-vector
    torch.testing.assert_close(view[:, 3:6], sign * view[:, :3])


@every
def test_devices_turn_on_their_own(cls):
    x = worn(6).repeat(1, 2, 1)
    view = default(cls, 1.0).for_channels(TWO_DEVICES)(x, seeded())
    same = torch.equal(view[:, :6], view[:, 6:])
    assert same == (cls is Mirror)  # one mirror for the whole body


@every
def test_channels_are_found_by_their_names(cls):
    names = ["acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z"]
    order = [3, 0, 5, 1, 4, 2]
    expected = default(cls, 1.0).for_channels(names)(worn(), seeded())[:, order]
    shuffled = default(cls, 1.0).for_channels([names[c] for c in order])
    torch.testing.assert_close(shuffled(worn()[:, order], seeded()), expected)


@every
def test_channels_of_no_sensor_stay(cls):
    x = batch(C=5)
    names = ["heart_rate", "acc_x", "acc_y", "acc_z", "gyr_x"]
    view = default(cls, 1.0).for_channels(names)(x, seeded())
    assert torch.equal(view[:, [0, 4]], x[:, [0, 4]])
    assert not torch.equal(view[:, 1:4], x[:, 1:4])


@every
def test_without_the_axes_of_a_sensor(cls):
    with pytest.raises(ValueError, match=rf"{cls.__name__} needs the axes.*transpose\(1, 2\)"):
        cls()(torch.zeros(2, 128, 6))
    with pytest.raises(ValueError, match="acc_x"):
        cls().for_channels(["acc_x", "acc_y"])(torch.zeros(2, 2, 8))


# ---------------------------------------------------------------- Rotate


@pytest.mark.parametrize("spread", [-0.1, math.nan])
def test_spread_of_a_rotation_outside_its_range(spread):
    with pytest.raises(ValueError, match=f"spread is {spread}, allowed is 0 to inf"):
        Rotate(spread)


def test_rotation_value():
    x = batch(C=12)
    rotate = Rotate(spread=1.0).for_channels(TWO_DEVICES)
    drawn = rotate.draw(x, seeded())
    view = rotate.transform(x, drawn)
    for i in range(16):
        for sensor in range(4):
            turn = Rotation.from_quat(drawn[i, sensor // 2].numpy(), scalar_first=True)
            axes = slice(3 * sensor, 3 * sensor + 3)
            np.testing.assert_allclose(
                view[i, axes], turn.apply(x[i, axes].numpy().T).T, atol=1e-12
            )


@pytest.mark.parametrize("spread", [0.0, 0.3, 50.0, math.inf])
def test_rotation_is_proper_and_keeps_angles(spread):
    x = batch()
    rotate = Rotate(spread)
    turns = rotation_matrix(rotate.draw(x, seeded()))[:, 0]
    identity = torch.eye(3, dtype=torch.float64).expand(16, 3, 3)
    torch.testing.assert_close(turns @ turns.mT, identity, atol=1e-13, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(16, dtype=torch.float64))
    view = rotate(x, seeded())
    # the angle between acceleration and angular velocity does not change
    dot = (view[:, :3] * view[:, 3:]).sum(dim=1)
    torch.testing.assert_close(dot, (x[:, :3] * x[:, 3:]).sum(dim=1))


def angles_and_axes(spread: float) -> tuple[np.ndarray, np.ndarray]:
    drawn = Rotate(spread).draw(batch(B=5000, C=3, T=2), seeded())[:, 0]
    vectors = Rotation.from_quat(drawn.numpy(), scalar_first=True).as_rotvec()
    angles = np.linalg.norm(vectors, axis=1)
    return angles, vectors / angles[:, None]


def test_rotation_angle_is_half_normal_and_axis_uniform():
    angles, axes = angles_and_axes(0.3)
    assert stats.kstest(angles, stats.halfnorm(scale=0.3).cdf).pvalue > 1e-3
    for component in axes.T:  # Archimedes: each coordinate of the sphere is uniform
        assert stats.kstest(component, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_infinite_spread_is_uniform_on_so3():
    """The angle of a uniform rotation has the distribution (a - sin a) / π."""
    angles, axes = angles_and_axes(math.inf)
    assert stats.kstest(angles, lambda a: (a - np.sin(a)) / np.pi).pvalue > 1e-3
    for component in axes.T:
        assert stats.kstest(component, stats.uniform(-1, 2).cdf).pvalue > 1e-3


# ---------------------------------------------------------------- Yaw


def test_yaw_value():
    x = worn()
    drawn = Yaw().draw(x, seeded())
    view = Yaw().transform(x, drawn)
    for i in range(16):
        up = x[i, :3].mean(dim=1).numpy()
        turn = Rotation.from_rotvec(drawn[i].item() * up / np.linalg.norm(up))
        for axes in (slice(0, 3), slice(3, 6)):
            np.testing.assert_allclose(
                view[i, axes], turn.apply(x[i, axes].numpy().T).T, atol=1e-12
            )


def test_yaw_leaves_gravity_where_it_is():
    x = worn()
    torch.testing.assert_close(Yaw()(x, seeded())[:, :3].mean(dim=2), x[:, :3].mean(dim=2))


def test_yaw_is_uniform_up_to_its_spread():
    angle = Yaw(spread=0.5).draw(batch(B=5000, T=2), seeded())[:, 0]
    assert stats.kstest(angle.numpy(), stats.uniform(-0.5, 1.0).cdf).pvalue > 1e-3


def test_yaw_without_gravity_is_the_window():
    x = batch(dtype=torch.float32)
    x -= x.mean(dim=2, keepdim=True)  # what is left is rounding, which has a direction too
    assert torch.equal(Yaw()(x, seeded()), x)
    x[8:, 0] += 0.2
    changed = (Yaw()(x, seeded()) != x).flatten(1).any(dim=1)
    assert changed.tolist() == [False] * 8 + [True] * 8


def test_yaw_of_a_device_without_accelerometer():
    names = ["acc_x", "acc_y", "acc_z", "belt_gyr_x", "belt_gyr_y", "belt_gyr_z"]
    x = worn()
    view = Yaw().for_channels(names)(x, seeded())
    assert torch.equal(view[:, 3:], x[:, 3:])
    assert not torch.equal(view[:, :3], x[:, :3])


def test_yaw_needs_an_accelerometer():
    with pytest.raises(ValueError, match=r"Yaw needs an accelerometer.*gyr_x"):
        Yaw().for_channels(["gyr_x", "gyr_y", "gyr_z"])(batch(C=3))
    with pytest.raises(ValueError, match=r"spread is 4.0, allowed is 0 to 3.14159"):
        Yaw(spread=4.0)


# ---------------------------------------------------------------- MountFlip


@pytest.mark.parametrize(("quarter_turns", "n_ways"), [(False, 4), (True, 24)])
def test_mount_flips_are_a_group_of_rotations(quarter_turns, n_ways):
    ways = np.array(mount_flips(quarter_turns))
    assert len({tuple(way.flatten()) for way in ways}) == n_ways
    np.testing.assert_array_equal(
        ways @ ways.transpose(0, 2, 1), np.tile(np.eye(3), (n_ways, 1, 1))
    )
    np.testing.assert_allclose(np.linalg.det(ways), 1.0)
    products = (ways[:, None] @ ways).reshape(-1, 9)
    assert {tuple(product) for product in products} == {tuple(way.flatten()) for way in ways}


def test_box_flips_are_the_half_turns():
    half_turns = Rotation.from_rotvec(np.pi * np.eye(3)).as_matrix()
    np.testing.assert_allclose(mount_flips(False), [np.eye(3), *half_turns], atol=1e-12)


@pytest.mark.parametrize("quarter_turns", [False, True])
def test_mount_flip_value_and_all_ways_are_equally_likely(quarter_turns):
    flip, x = MountFlip(quarter_turns), batch(B=4800, T=2)
    drawn = flip.draw(x, seeded())
    view = flip.transform(x, drawn)
    ways = np.array(mount_flips(quarter_turns))
    for i in range(50):
        turned = ways[drawn[i, 0]] @ x[i].numpy().reshape(2, 3, 2)
        np.testing.assert_array_equal(view[i], turned.reshape(6, 2))
    counts = np.bincount(drawn[:, 0], minlength=len(ways))
    assert stats.chisquare(counts).pvalue > 1e-3


# ---------------------------------------------------------------- Mirror


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_mirror_is_what_a_mirrored_wearer_records(axis):
    """Mirror the world at an upright plane that holds the Earth's field; then read the sensors."""
    rng = np.random.default_rng(0)
    S = np.eye(3)
    S["xyz".index(axis), "xyz".index(axis)] = -1.0  # the mirror, seen from the device
    M = np.diag([1.0, -1.0, 1.0])  # the mirror, seen from the world: east becomes west
    gravity, field = np.array([0, 0, 1.0]), np.array([0.4, 0, -0.9])
    R = Rotation.random(10, random_state=rng).as_matrix()  # device to world, changing in time
    force = rng.normal(size=(10, 3))
    rate = rng.normal(size=(10, 3))  # of turn, in the frame of the world
    mirrored_R = M @ R @ S
    mirrored_rate = -rate @ M  # a turn about an axis in the mirror plane changes its sense

    def sensors(R, force, rate):
        readings = [force + gravity, rate, np.tile(field, (10, 1))]
        return np.concatenate([np.einsum("tji,tj->it", R, reading) for reading in readings])

    x = torch.from_numpy(sensors(R, force, rate))[None]
    expected = sensors(mirrored_R, force @ M, mirrored_rate)
    np.testing.assert_allclose(Mirror(axis)(x)[0], expected, atol=1e-12)


def test_mirrored_turn_is_the_derivative_of_the_mirrored_orientation():
    """The sign of the gyroscope follows from the orientation itself, not from a convention."""
    S, step = np.diag([-1.0, 1.0, 1.0]), 1e-6
    rate = np.array([0.3, -0.2, 0.9])
    before, after = np.eye(3), Rotation.from_rotvec(step * rate).as_matrix()
    turned = (S @ before @ S).T @ (S @ after @ S)
    expected = Rotation.from_matrix(turned).as_rotvec() / step
    x = torch.tensor(rate)[:, None].expand(3, 2)[None]
    view = Mirror("x").for_channels(["gyr_x", "gyr_y", "gyr_z"])(x)
    np.testing.assert_allclose(view[0, :, 0], expected, atol=1e-6)


def test_mirror_twice_is_the_window():
    x = batch(C=9)
    assert torch.equal(Mirror()(Mirror()(x)), x)


def test_mirror_of_sensors_that_are_not_known():
    with pytest.raises(ValueError, match="which of 12 channels are the gyroscope"):
        Mirror()(batch(C=12))
    with pytest.raises(ValueError, match="axis is 'w', allowed are 'x', 'y' and 'z'"):
        Mirror(axis="w")
