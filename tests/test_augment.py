import json
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from tests.support.views import CLASSES, COMPOSED, batch, default, seeded, tensors, window_of
from tsclr import specs
from tsclr.augment import Augmentation, FromTsaug, Jitter
from tsclr.augment.draws import spline_basis
from tsclr.checks import in_range

every = pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
every_single = pytest.mark.parametrize(
    "cls", [cls for name, cls in CLASSES.items() if name not in COMPOSED], ids=lambda c: c.__name__
)


# ---------------------------------------------------------------- contract, every augmentation


def needs_axes(cls: type[Augmentation]) -> bool:
    """Whether it works on sensors of three axes."""
    try:
        default(cls, 1.0)(batch(C=1))
    except ValueError:
        return True
    return False


@every
def test_default_constructor_has_a_probability_of_one(cls):
    assert cls().p == 1.0


@every_single
def test_p_zero_is_identity(cls):
    x = batch()
    assert torch.equal(cls(p=0.0)(x, seeded()), x)


@every_single
def test_p_one_changes_every_window_and_p_half_about_half(cls):
    x = 10 * batch(B=2000, T=16, dtype=torch.float32)  # beyond the range of common sensors
    # half of the defaults leave a window as it is by chance: a dropout of no channel, for example
    changed = (default(cls, 1.0)(x, seeded()) != x).flatten(1).any(dim=1).double().mean().item()
    half = (default(cls, 0.5)(x, seeded(3)) != x).flatten(1).any(dim=1).double().mean().item()
    assert changed > 0.7
    assert abs(half - changed / 2) < 5 * 0.5 / math.sqrt(2000)


@every
def test_seed_repeats_and_another_seed_differs(cls):
    augmentation, x = default(cls), batch()
    assert torch.equal(augmentation(x, seeded(5)), augmentation(x, seeded(5)))
    first, again, other = (tensors(augmentation.draw(x, seeded(k))) for k in (5, 5, 6))
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, other))


@every
def test_two_views_of_one_call_sequence_differ(cls):
    """Peers draw views once per run (FACTS § 3.3): each call draws anew."""
    augmentation, x, generator = default(cls), batch(), seeded()
    first, second = (tensors(augmentation.draw(x, generator)) for _ in range(2))
    assert not any(map(torch.equal, first, second))
    assert not torch.equal(augmentation(x, generator), augmentation(x, generator))


@every
def test_a_generator_leaves_the_global_one_alone(cls):
    augmentation = default(cls)
    before = torch.get_rng_state()
    augmentation(batch(), seeded())
    assert torch.equal(torch.get_rng_state(), before)


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
    if cls is FromTsaug:
        pytest.skip("tsaug draws for the batch as a whole")
    if cls.mixes_windows:
        pytest.skip("a view is made of several windows")
    augmentation, x = default(cls), batch()
    drawn = augmentation.draw(x, seeded())
    views = augmentation.transform(x, drawn)
    for i in range(len(x)):
        alone = augmentation.transform(x[i : i + 1], window_of(drawn, i))
        torch.testing.assert_close(views[i : i + 1], alone, rtol=1e-12, atol=1e-12)


@every
def test_the_draw_ignores_the_values(cls):
    augmentation, x = default(cls), batch()
    drawn, other = (tensors(augmentation.draw(each, seeded())) for each in (x, 7.0 + 0.1 * x))
    assert all(map(torch.equal, drawn, other))


@every
def test_windows_differ_in_what_is_drawn(cls):
    for drawn in tensors(default(cls).draw(batch(B=64), seeded())):
        assert len(drawn) == 64
        assert len(torch.unique(drawn, dim=0)) > 1


@every
def test_mixed_precision_leaves_the_views_as_they_are(cls):
    """Eight bits cannot number the samples of a window, nor keep the length of gravity."""
    augmentation, x = default(cls), batch(T=512, dtype=torch.float32)
    expected = augmentation(x, seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmentation(x, seeded()), expected)


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
    before = [dict(vars(module)) for module in augmentation.modules()]
    augmentation(batch(), seeded())
    assert [vars(module) for module in augmentation.modules()] == before
    assert not augmentation.state_dict()


@every
def test_spec_round_trip_through_json(cls):
    augmentation = default(cls)
    spec = json.loads(json.dumps(specs.spec_of(augmentation)))
    rebuilt = specs.from_spec(Augmentation, spec)
    assert specs.spec_of(rebuilt) == spec
    assert torch.equal(rebuilt(batch(), seeded()), augmentation(batch(), seeded()))


@pytest.mark.parametrize("channels", ["acc_x", ["acc_x", "acc_x"]])
def test_names_that_are_none(channels):
    with pytest.raises(ValueError, match="expected different names in a sequence"):
        Jitter().for_channels(channels)


@every
def test_names_for_another_number_of_channels(cls):
    named = default(cls).for_channels(["acc_x", "acc_y"])
    with pytest.raises(ValueError, match="6 channels, for_channels was told 2: acc_x, acc_y"):
        named(batch())


@every
def test_forward_is_final(cls):
    assert cls.forward is Augmentation.forward


@every
@given(data=st.data())
def test_any_shape_and_dtype(cls, data):
    n_channels, T = data.draw(st.integers(1, 24)), data.draw(st.integers(2, 4096))
    names = None
    if needs_axes(cls):
        n_channels = max(3, n_channels)
        names = [f"d{c // 9}_{['acc', 'gyr', 'mag'][c // 3 % 3]}_{'xyz'[c % 3]}" for c in range(24)]
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
    x = batch(data.draw(st.integers(1, 5)), n_channels, T, dtype)
    augmentation = default(cls)
    if names:
        augmentation.for_channels(names[:n_channels])
    view = augmentation(x, seeded(data.draw(st.integers(0, 99))))
    assert (view.shape, view.dtype) == (x.shape, dtype)
    assert view.isfinite().all()


@every
def test_empty_batch_stays_empty(cls):
    assert default(cls)(torch.zeros(0, 6, 32)).shape == (0, 6, 32)


@every_single
@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_probability_outside_zero_to_one(cls, p):
    with pytest.raises(ValueError, match=f"p is {p}, allowed is 0 to 1"):
        cls(p=p)


@every
@pytest.mark.parametrize(
    ("x", "hint"),
    [
        (torch.zeros(6, 128), r"pass x\[None\]"),
        (torch.zeros(2, 6, 1), "at least one channel and two samples"),
        (torch.zeros(2, 0, 8), "at least one channel and two samples"),
        (torch.zeros(2, 6, 128, dtype=torch.int16), r"x\.float\(\)"),
        (torch.zeros(1, 2, 6, 128), r"\(1, 2, 6, 128\)"),
    ],
)
def test_not_a_batch_of_windows(cls, x, hint):
    with pytest.raises(ValueError, match=hint):
        default(cls)(x)


def test_settings_that_are_no_whole_numbers():
    with pytest.raises(ValueError, match=r"knots is 2\.5, allowed are whole numbers from 2 to 64"):
        in_range("knots", 2.5, 2, 64)


def test_misspelt_augmentation_and_argument():
    with pytest.raises(specs.SpecError, match="did you mean Rotate"):
        specs.from_spec(Augmentation, {"class": "Rotat"})
    with pytest.raises(specs.SpecError, match=r"spred: .* did you mean spread"):
        specs.from_spec(Augmentation, {"class": "Rotate", "spred": 0.1})


@pytest.mark.parametrize("n_knots", [2, 3, 4, 9])
@pytest.mark.parametrize("length", [1, 2, 17, 128])
def test_spline_is_the_natural_cubic_spline(n_knots, length):
    values = np.random.default_rng(0).normal(size=n_knots)
    where = np.linspace(0, n_knots - 1, length)
    expected = CubicSpline(np.arange(n_knots), values, bc_type="natural")(where)
    basis = spline_basis(length, n_knots, torch.float64, torch.device("cpu"))
    np.testing.assert_allclose(basis.numpy() @ values, expected, atol=1e-12)


COMPILE = """
import inspect
import sys
import torch
from tsclr import specs
from tsclr.augment import Augmentation, Chain, Crop, FromTsaug, Jitter, OneOf, RandomOrder
from tsclr.augment import Rotate, SomeOf

heavy = {"pandas", "pyarrow", "sklearn", "tsaug", "matplotlib"} & set(sys.modules)
if heavy:
    raise SystemExit(f"tsclr.augment imported {heavy}")
single = [
    cls(p=0.5) for cls in specs.subclasses(Augmentation).values()
    if cls is not FromTsaug and "augmentations" not in inspect.signature(cls).parameters
]
some = [Crop(), Rotate(), Jitter(p=0.5)]
chain = Chain([*single, OneOf(some), SomeOf(some, n=2, p=0.5), RandomOrder(some)])
compiled = torch.compile(chain, fullgraph=True, backend="eager")
for n_windows in (4, 7, 12):  # the second size makes torch compile for any number of windows
    x = torch.randn(n_windows, 6, 32)
    torch.manual_seed(1)
    view = compiled(x)
    torch.manual_seed(1)
    torch.testing.assert_close(view, chain(x))
"""

INDUCTOR = """
import torch
from tsclr.augment import Chain, Crop, Jitter, Rotate, Scale, TimeWarp

torch._inductor.config.fallback_random = True  # the same numbers as without torch.compile
chain = Chain([Crop(p=0.8), TimeWarp(p=0.8), Scale(p=0.8), Rotate(p=0.8), Jitter(p=0.8)])
compiled = torch.compile(chain, fullgraph=True)
x = torch.randn(16, 6, 128, dtype=torch.float64)  # float32 positions differ by their rounding
torch.manual_seed(1)
view = compiled(x)
torch.manual_seed(1)
torch.testing.assert_close(view, chain(x), atol=1e-9, rtol=0)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the annotation checks of the tests cannot be compiled."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_every_view_compiles_into_one_graph_and_needs_torch_alone():
    """All but tsaug, which computes with NumPy."""
    done = run(COMPILE)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_the_default_pipeline_compiled_gives_equal_views():
    done = run(INDUCTOR)
    assert done.returncode == 0, done.stderr
