import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from tsclr import specs
from tsclr.augment import (
    Augmentation,
    Chain,
    ChannelDropout,
    Crop,
    Jitter,
    MagnitudeWarp,
    Permute,
    Rotate,
    Scale,
    TimeMask,
    TimeWarp,
)
from tsclr.augment.base import spline_basis
from tsclr.augment.orientation import rotation_matrix

CLASSES = specs.subclasses(Augmentation)
SINGLE = [cls for cls in CLASSES.values() if cls is not Chain]
MANY = [Crop(p=0.5), TimeWarp(), Rotate(p=0.8), Chain([Scale(), MagnitudeWarp()]), Jitter(p=0.3)]


def default(cls: type[Augmentation]) -> Augmentation:
    return Chain(MANY) if cls is Chain else cls()


every = pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
every_single = pytest.mark.parametrize("cls", SINGLE, ids=lambda cls: cls.__name__)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(B: int = 16, C: int = 6, T: int = 64, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(B, C, T, generator=seeded(1), dtype=torch.float64).to(dtype)


def window_of(drawn: Any, i: int) -> Any:
    """What was drawn for window `i` alone."""
    if isinstance(drawn, torch.Tensor):
        return drawn[i : i + 1]
    parts = [window_of(part, i) for part in drawn]
    return type(drawn)(*parts) if hasattr(drawn, "_fields") else type(drawn)(parts)


# ---------------------------------------------------------------- contract, every augmentation


@every
def test_default_constructor_has_a_probability_of_one(cls):
    assert cls().p == 1.0


@every_single
def test_p_zero_is_identity(cls):
    x = batch()
    assert torch.equal(cls(p=0.0)(x, seeded()), x)


@every_single
def test_p_one_changes_every_window_and_p_half_about_half(cls):
    x = batch(B=2000, T=16, dtype=torch.float32)
    # half of the defaults leave a window as it is by chance: a dropout of no channel, for example
    changed = (cls(p=1.0)(x, seeded()) != x).flatten(1).any(dim=1).double().mean().item()
    half = (cls(p=0.5)(x, seeded(3)) != x).flatten(1).any(dim=1).double().mean().item()
    assert changed > 0.7
    assert abs(half - changed / 2) < 5 * 0.5 / math.sqrt(2000)


@every
def test_seed_repeats_and_another_seed_differs(cls):
    augmentation, x = default(cls), batch()
    assert torch.equal(augmentation(x, seeded(5)), augmentation(x, seeded(5)))
    assert not torch.equal(augmentation(x, seeded(5)), augmentation(x, seeded(6)))


@every
def test_two_views_of_one_call_sequence_differ(cls):
    """Peers draw views once per run (FACTS § 3.3): each call draws anew."""
    augmentation, x, generator = default(cls), batch(), seeded()
    assert not torch.equal(augmentation(x, generator), augmentation(x, generator))


@every
def test_global_rng_without_a_generator(cls):
    augmentation, x = default(cls), batch()
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = augmentation(x)
        torch.manual_seed(5)
        assert torch.equal(augmentation(x), first)


@every
def test_no_window_depends_on_its_neighbour(cls):
    augmentation, x = default(cls), batch()
    drawn = augmentation.draw(x, seeded())
    views = augmentation.transform(x, drawn)
    for i in range(len(x)):
        alone = augmentation.transform(x[i : i + 1], window_of(drawn, i))
        torch.testing.assert_close(views[i : i + 1], alone, rtol=1e-12, atol=1e-12)


@every
def test_the_draw_ignores_the_values(cls):
    augmentation, x = default(cls), batch()
    other = x.clone()
    other[1:] = 7.0
    assert torch.equal(augmentation(x, seeded())[0], augmentation(other, seeded())[0])


@every
def test_windows_differ_in_what_is_drawn(cls):
    same = batch(B=1).expand(16, -1, -1)
    views = default(cls)(same, seeded())
    assert len({tuple(view.flatten().tolist()) for view in views}) > 4


@every
@pytest.mark.parametrize("value", [0.0, 1.0, -9.81])
def test_constant_windows_stay_finite(cls, value):
    assert default(cls)(torch.full((4, 6, 32), value), seeded()).isfinite().all()


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_shape_dtype_device_kept_and_input_untouched(cls, dtype):
    x = batch(T=300, dtype=dtype)
    before = x.clone()
    view = default(cls)(x, seeded())
    assert (view.shape, view.dtype, view.device) == (x.shape, dtype, x.device)
    assert view.isfinite().all()
    assert torch.equal(x, before)


@every
def test_bfloat16_agrees_with_float32(cls):
    """Positions in time are not rounded to the eight bits of bfloat16."""
    augmentation, x = default(cls), batch(T=512, dtype=torch.bfloat16)
    x = x.cumsum(dim=2) / 20
    drawn = augmentation.draw(x, seeded())
    expected = augmentation.transform(x.float(), drawn)
    assert (augmentation.transform(x, drawn).float() - expected).abs().max() < 0.05 * x.abs().max()


@every
def test_strided_input_gives_the_same_views(cls):
    x = batch(B=8, C=6, T=32)
    strided = x.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(default(cls)(strided, seeded()), default(cls)(x, seeded()))


@every
def test_gradient_reaches_the_window(cls):
    x = batch(B=3).requires_grad_()
    default(cls)(x, seeded()).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@every
def test_nothing_drawn_is_kept(cls):
    augmentation = default(cls)
    before = dict(vars(augmentation))
    augmentation(batch(), seeded())
    assert vars(augmentation) == before
    assert not augmentation.state_dict()


@every
def test_spec_round_trip_through_json(cls):
    augmentation = default(cls)
    spec = json.loads(json.dumps(specs.spec_of(augmentation)))
    rebuilt = specs.from_spec(Augmentation, spec)
    assert specs.spec_of(rebuilt) == spec
    assert torch.equal(rebuilt(batch(), seeded()), augmentation(batch(), seeded()))


@every
def test_forward_is_final(cls):
    assert cls.forward is Augmentation.forward


@every
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_shape(cls, data):
    channels = data.draw(st.sampled_from([3, 6, 9] if cls in (Rotate, Chain) else [1, 2, 3, 4, 6]))
    x = batch(data.draw(st.integers(1, 5)), channels, data.draw(st.integers(2, 512)), torch.float32)
    view = default(cls)(x, seeded(data.draw(st.integers(0, 99))))
    assert view.shape == x.shape
    assert view.isfinite().all()


@every
def test_empty_batch_stays_empty(cls):
    assert default(cls)(torch.zeros(0, 6, 32)).shape == (0, 6, 32)


# ---------------------------------------------------------------- errors


@every_single
@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_probability_outside_zero_to_one(cls, p):
    with pytest.raises(ValueError, match=f"p is {p}, allowed is 0 to 1"):
        cls(p=p)


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Jitter, {"sd": -1.0}),
        (Scale, {"sd": math.inf}),
        (MagnitudeWarp, {"sd": -0.1}),
        (MagnitudeWarp, {"knots": 1}),
        (ChannelDropout, {"rate": 1.5}),
        (Permute, {"n_segments": 0}),
        (TimeWarp, {"strength": 11.0}),
        (TimeWarp, {"knots": 65}),
        (Crop, {"min_fraction": 1.01}),
        (TimeMask, {"fraction": -0.2}),
        (Rotate, {"spread": math.nan}),
    ],
)
def test_setting_outside_its_range(cls, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} is {value}, allowed is"):
        cls(**arguments)


@every
@pytest.mark.parametrize(
    ("x", "hint"),
    [
        (torch.zeros(6, 128), r"pass x\[None\]"),
        (torch.zeros(2, 6, 1), "at least two samples"),
        (torch.zeros(2, 6, 128, dtype=torch.int16), r"x\.float\(\)"),
        (torch.zeros(1, 2, 6, 128), r"\(1, 2, 6, 128\)"),
    ],
)
def test_not_a_batch_of_windows(cls, x, hint):
    with pytest.raises(ValueError, match=hint):
        default(cls)(x)


def test_rotation_without_triads_names_the_transpose():
    with pytest.raises(ValueError, match=r"multiple of 3.*transpose\(1, 2\)"):
        Rotate()(torch.zeros(2, 128, 6))


def test_misspelt_augmentation_and_argument():
    with pytest.raises(KeyError, match="did you mean Rotate"):
        specs.from_spec(Augmentation, {"class": "Rotat"})
    with pytest.raises(TypeError, match="did you mean spread"):
        specs.from_spec(Augmentation, {"class": "Rotate", "spred": 0.1})


# ---------------------------------------------------------------- values, against a slow reference


def test_chain_is_its_steps_in_order_each_with_its_own_probability():
    chain, x = Chain(MANY), batch()
    expected, drawn = x.clone(), chain.draw(x, seeded())
    for step, (applies, values) in zip(MANY, drawn, strict=True):
        for i in range(len(x)):
            if applies[i]:
                alone = step.transform(expected[i : i + 1], window_of(values, i))
                expected[i] = alone[0]
    torch.testing.assert_close(chain.transform(x, drawn), expected)
    assert 0 < drawn[0].applies.sum() < len(x)
    assert drawn[1].applies.all()


def test_chain_of_nothing_is_the_window():
    x = batch()
    assert torch.equal(Chain()(x), x)


@pytest.mark.parametrize("n_knots", [2, 3, 4, 9])
@pytest.mark.parametrize("length", [1, 2, 17, 128])
def test_spline_is_the_natural_cubic_spline(n_knots, length):
    values = np.random.default_rng(0).normal(size=n_knots)
    where = np.linspace(0, n_knots - 1, length)
    expected = CubicSpline(np.arange(n_knots), values, bc_type="natural")(where)
    basis = spline_basis(length, n_knots, torch.float64, torch.device("cpu"))
    np.testing.assert_allclose(basis.numpy() @ values, expected, atol=1e-12)


def test_jitter_adds_white_noise_of_the_given_sd():
    noise = Jitter(sd=0.2)(torch.zeros(64, 6, 128, dtype=torch.float64), seeded())
    assert stats.kstest(noise.flatten().numpy(), stats.norm(0, 0.2).cdf).pvalue > 1e-3
    steps = noise[:, :, 1:] * noise[:, :, :-1]  # white: no correlation from sample to sample
    assert abs(steps.mean().item()) < 5 * 0.04 / math.sqrt(steps.numel())


def test_jitter_value():
    x = batch()
    drawn = Jitter().draw(x, seeded())
    np.testing.assert_allclose(Jitter(sd=0.3).transform(x, drawn), x.numpy() + 0.3 * drawn.numpy())


@pytest.mark.parametrize(
    ("n_channels", "per_channel", "n_gains"),
    [(6, False, 2), (6, True, 6), (4, False, 4), (9, False, 3), (1, False, 1)],
)
def test_scale_value(n_channels, per_channel, n_gains):
    scale, x = Scale(sd=0.1, per_channel=per_channel), batch(C=n_channels)
    gains = scale.draw(x, seeded())
    assert gains.shape == (16, n_gains)
    view = scale.transform(x, gains)
    for i in range(16):
        for c in range(n_channels):
            gain = gains[i, c * n_gains // n_channels].item()
            np.testing.assert_allclose(view[i, c], gain * x[i, c].numpy())


def test_scaling_is_one_gain_per_sensor_with_mean_one_ts_tcc():
    """TS-TCC, TF-C, CL-HAR, CrossHAR: a gain per time step with mean 2 (FACTS § 3.2)."""
    view = Scale(sd=0.1)(torch.ones(20_000, 6, 4, dtype=torch.float64), seeded())
    assert (view == view[:, :, :1]).all()  # constant in time
    sensors = view[:, :, 0].view(-1, 2, 3)
    assert (sensors == sensors[:, :, :1]).all()  # x, y and z alike
    assert stats.kstest(sensors[:, :, 0].flatten().numpy(), stats.norm(1, 0.1).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("n_channels", "n_curves"), [(6, 2), (4, 4)])
def test_magnitude_warp_value(n_channels, n_curves):
    warp, x = MagnitudeWarp(sd=0.2, knots=5), batch(C=n_channels, T=50)
    gains = warp.draw(x, seeded())
    view = warp.transform(x, gains)
    for i in range(16):
        for c in range(n_channels):
            spline = CubicSpline(
                np.arange(5), gains[i, c * n_curves // n_channels].numpy(), bc_type="natural"
            )
            np.testing.assert_allclose(view[i, c], spline(np.linspace(0, 4, 50)) * x[i, c].numpy())


def test_magnitude_warp_has_mean_one_and_keeps_directions():
    curves = MagnitudeWarp(sd=0.2)(torch.ones(20_000, 6, 16, dtype=torch.float64), seeded())
    assert (curves.mean(dim=0) - 1).abs().max() < 5 * 0.2 / math.sqrt(20_000)
    assert abs(curves[:, :, 0].std().item() - 0.2) < 0.01
    assert (curves.view(-1, 2, 3, 16) == curves.view(-1, 2, 3, 16)[:, :, :1]).all()


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_channel_dropout(rate):
    x = batch(B=4000, T=4)
    dropout = ChannelDropout(rate)
    drawn = dropout.draw(x, seeded())
    view = dropout.transform(x, drawn)
    np.testing.assert_array_equal(view, np.where(drawn.numpy()[:, :, None], x.numpy(), 0.0))
    assert drawn.any(dim=1).all()
    # every channel falls with probability `rate`, but if all six do, one is spared
    expected = 1 - rate + rate**6 / 6
    assert abs(drawn.double().mean().item() - expected) <= 5 * 0.5 / math.sqrt(drawn.numel())


def test_permutation_value():
    permute, x = Permute(n_segments=5), batch(C=4, T=23)
    first, order = permute.draw(x, seeded())
    view = permute.transform(x, permute.draw(x, seeded()))
    for i in range(16):
        segments = np.split(x[i].numpy(), first[i].numpy(), axis=1)
        assert all(segment.shape[1] > 0 for segment in segments)
        joined = np.concatenate([segments[j] for j in order[i]], axis=1)
        np.testing.assert_array_equal(view[i], joined)


def test_permutation_keeps_every_channel_ts_tcc():
    """TS-TCC, CA-TCC, TF-C, SoftCLT copy channel 0 into every channel (FACTS § 3.1)."""
    x = torch.arange(6 * 64, dtype=torch.float64).view(1, 6, 64).expand(32, -1, -1)
    view = Permute(n_segments=4)(x, seeded())
    assert torch.equal(view.sort(dim=2).values, x)  # each channel keeps its own samples
    shown = view - x[:, :, :1]
    assert (shown == shown[:, :1]).all()  # all channels in one order


@pytest.mark.parametrize("length", [2, 3, 64])
def test_permutation_of_more_segments_than_samples(length):
    x = torch.arange(float(length)).expand(50, 1, -1)
    view = Permute(n_segments=64)(x, seeded())
    assert torch.equal(view.sort(dim=2).values, x)


def test_permutation_of_one_segment_is_the_window():
    x = batch()
    assert torch.equal(Permute(n_segments=1)(x), x)


def test_time_warp_value():
    warp, x = TimeWarp(strength=0.4, knots=5), batch(C=4, T=40)
    drawn = warp.draw(x, seeded())
    view = warp.transform(x, drawn)
    for i in range(16):
        log_speed = CubicSpline(np.arange(5), drawn[i].numpy(), bc_type="natural")
        elapsed = np.cumsum(np.exp(log_speed(np.linspace(0, 4, 39))))
        position = np.concatenate([[0], elapsed]) / elapsed[-1] * 39
        for c in range(4):
            expected = np.interp(position, np.arange(40), x[i, c].numpy())
            np.testing.assert_allclose(view[i, c], expected, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strength", [0.0, 0.2, 10.0])
def test_time_warp_runs_forward_and_keeps_the_end_points(strength, dtype):
    ramp = torch.arange(128, dtype=dtype).expand(200, 3, -1)
    view = TimeWarp(strength=strength)(ramp, seeded())
    assert (view.diff(dim=2) >= 0).all()
    assert (view[:, :, 0] == 0).all()
    assert (view[:, :, -1] == 127).all()
    assert strength > 0 or (view - ramp).abs().max() < 1e-3


@every_single
def test_time_map_shared_by_all_channels_cl_har(cls):
    """CL-HAR draws the time warp for each channel (FACTS § 3.5): one device has one clock."""
    x = batch(C=1).expand(-1, 6, -1)
    view = cls()(x, seeded())
    if cls in (TimeWarp, Crop, Permute, TimeMask):
        assert (view == view[:, :1]).all()


def test_crop_value():
    crop, x = Crop(min_fraction=0.3), batch(C=4, T=40)
    start, extent = crop.draw(x, seeded())
    view = crop.transform(x, crop.draw(x, seeded()))
    for i in range(16):
        position = np.linspace(start[i].item(), (start[i] + extent[i]).item(), 40)
        for c in range(4):
            expected = np.interp(position, np.arange(40), x[i, c].numpy())
            np.testing.assert_allclose(view[i, c], expected, atol=1e-10)


def test_crop_span_is_uniform_and_inside_the_window():
    start, extent = Crop(min_fraction=0.5).draw(batch(B=5000, C=1, T=101), seeded())
    assert (start >= 0).all()
    assert (start + extent <= 100 + 1e-9).all()
    assert stats.kstest(extent.numpy(), stats.uniform(50, 50).cdf).pvalue > 1e-3
    assert stats.kstest((start / (100 - extent)).numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("fraction", "extent"), [(0.0, 0), (0.25, 10), (1.0, 40)])
def test_time_mask_value(fraction, extent):
    mask, x = TimeMask(fraction), batch(B=200, T=40)
    start = mask.draw(x, seeded())
    view = mask.transform(x, start)
    for i in range(len(x)):
        expected = x[i].numpy().copy()
        expected[:, start[i] : start[i] + extent] = expected.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(view[i], expected, atol=1e-12)
    assert start.min() == 0  # every place is possible
    assert start.max() == 40 - extent


def test_time_mask_leaves_gravity_where_it_is():
    at_rest = torch.zeros(8, 6, 64)
    at_rest[:, 2] = 1.0
    torch.testing.assert_close(TimeMask(fraction=0.5)(at_rest), at_rest)


# ---------------------------------------------------------------- rotation


def test_rotation_value():
    x = batch(C=9)
    drawn = Rotate(spread=1.0).draw(x, seeded())
    view = Rotate().transform(x, drawn)
    for i in range(16):
        turn = Rotation.from_quat(drawn[i].numpy(), scalar_first=True)
        for sensor in range(3):
            axes = slice(3 * sensor, 3 * sensor + 3)
            np.testing.assert_allclose(
                view[i, axes], turn.apply(x[i, axes].numpy().T).T, atol=1e-12
            )


@pytest.mark.parametrize("spread", [0.0, 0.3, 50.0, math.inf])
def test_rotation_is_proper_and_keeps_norms_and_angles(spread):
    x = batch()
    rotate = Rotate(spread)
    turns = rotation_matrix(rotate.draw(x, seeded()))
    identity = torch.eye(3, dtype=torch.float64).expand(16, 3, 3)
    torch.testing.assert_close(turns @ turns.mT, identity, atol=1e-13, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(16, dtype=torch.float64))
    view = rotate(x, seeded())
    for axes in (slice(0, 3), slice(3, 6)):
        torch.testing.assert_close(view[:, axes].norm(dim=1), x[:, axes].norm(dim=1))
    # the angle between acceleration and angular velocity does not change either
    dot = (view[:, :3] * view[:, 3:]).sum(dim=1)
    torch.testing.assert_close(dot, (x[:, :3] * x[:, 3:]).sum(dim=1))


def test_rotation_shared_by_sensors_of_a_device_cl_har():
    """CL-HAR draws a rotation for each sensor triad (FACTS § 3.5): they sit on one board."""
    triad = batch(C=3)
    view = Rotate(spread=1.0)(triad.repeat(1, 3, 1), seeded())
    torch.testing.assert_close(view[:, :3], view[:, 3:6])
    torch.testing.assert_close(view[:, :3], view[:, 6:])


def angles_and_axes(spread: float) -> tuple[np.ndarray, np.ndarray]:
    drawn = Rotate(spread).draw(batch(B=5000, C=3, T=2), seeded())
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


# ---------------------------------------------------------------- torch.compile

COMPILE = """
import sys
import torch
from tsclr import specs
from tsclr.augment import Augmentation, Chain

classes = specs.subclasses(Augmentation)
heavy = {"pandas", "pyarrow", "sklearn", "tsaug", "matplotlib"} & set(sys.modules)
if heavy:
    raise SystemExit(f"tsclr.augment imported {heavy}")
chain = Chain([cls(p=0.5) for cls in classes.values() if cls is not Chain])
x = torch.randn(4, 6, 32)
compiled = torch.compile(chain, fullgraph=True, backend="eager")
torch.manual_seed(1)
view = compiled(x)
torch.manual_seed(1)
torch.testing.assert_close(view, chain(x))
"""


def test_a_chain_compiles_into_one_graph_and_needs_torch_alone():
    """In a process of its own: the annotation checks of the tests cannot be compiled."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
