import math

import numpy as np
import pytest
import torch
from scipy import stats

from tests.support.views import batch, seeded
from tsclr.augment import Quantize, Saturate
from tsclr.augment.channels import find_kinds
from tsclr.augment.converter import Grid

both = pytest.mark.parametrize("cls", [Quantize, Saturate])
ODD_NAMES = ["mag_y", "gyr_z", "wrist_acc_x", "heart_rate", "gyr_x", "ankle_acc_z"]
ODD_KINDS = ["mag", "gyr", "acc", "heart", "gyr", "acc"]


def drawn_by(view: Quantize | Saturate, x: torch.Tensor) -> torch.Tensor:
    """Steps or ranges, (B, C)."""
    drawn = view.draw(x, seeded())
    return drawn.step if isinstance(drawn, Grid) else drawn


@both
@pytest.mark.parametrize("kind", ["acc", "gyr", "mag"])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (2.0, 1.0), (1.0,), (1.0, math.inf), (math.nan, 1)])
def test_bounds_out_of_order(cls, kind, bounds):
    with pytest.raises(ValueError, match=rf"{kind} is \(.*allowed is a lowest and a highest"):
        cls(**{kind: bounds})


@both
@pytest.mark.parametrize("names", [None, ["heart_rate", "eda"]])
def test_no_channel_of_a_known_kind(cls, names):
    view, x = cls(), batch(C=2)
    if names:
        view.for_channels(names)
    with pytest.raises(
        ValueError, match=f"{cls.__name__} needs a channel.*acc, gyr, mag.*for_channels"
    ):
        view(x)


@both
def test_no_bounds_for_any_channel(cls):
    with pytest.raises(ValueError, match="measures one of mag; windows have shape"):
        cls(acc=None, gyr=None)(batch(C=6))
    with pytest.raises(ValueError, match="measures one of none"):
        cls(acc=None, gyr=None, mag=None)(batch(C=6))


@both
def test_one_value_per_sensor_within_the_bounds_of_its_kind(cls):
    bounds = {"acc": (1.0, 2.0), "gyr": (10.0, 20.0), "mag": (100.0, 200.0)}
    view = cls(**bounds).for_channels(ODD_NAMES)
    drawn = drawn_by(view, batch(B=500))
    for c, kind in enumerate(ODD_KINDS):
        low, high = bounds.get(kind, (drawn[0, 3], drawn[0, 3]))
        assert (drawn[:, c] >= low).all()
        assert (drawn[:, c] <= high).all()
    assert torch.equal(drawn[:, 1], drawn[:, 4])  # gyr_z and gyr_x
    assert (drawn[:, 2] != drawn[:, 5]).all()  # accelerometers at wrist and ankle


@both
def test_values_are_log_uniform(cls):
    drawn = drawn_by(cls(acc=(0.5, 8.0), gyr=(1.0, 3.0)), batch(B=5000, T=2))
    for c, (low, high) in ((0, (0.5, 8.0)), (3, (1.0, 3.0))):
        expected = stats.loguniform(low, high)
        assert stats.kstest(drawn[:, c].numpy(), expected.cdf).pvalue > 1e-3


@both
def test_kinds_without_bounds_or_name_stay_as_they_are(cls):
    view = cls(acc=(0.5, 0.5), gyr=(0.1, 0.2), mag=None).for_channels(ODD_NAMES)
    x = batch()
    changed = (view(x, seeded()) != x).any(dim=2).all(dim=0)
    assert changed.tolist() == [False, True, True, False, True, True]


@both
def test_the_gradient_is_finite_where_nothing_is_changed(cls):
    x = batch().requires_grad_()
    cls(acc=(0.5, 0.5), gyr=None)(x, seeded()).sum().backward()
    assert x.grad is not None
    assert (x.grad[:, 3:] == 1).all()
    assert x.grad.isfinite().all()


@both
def test_a_single_axis_is_known_by_its_name(cls):
    x = batch(C=1)
    view = cls(acc=(0.5, 0.5)).for_channels(["acc_x"])
    assert not torch.equal(view(x, seeded()), x)


@both
def test_twice_the_same_is_once(cls):
    view, x = cls(acc=(0.5, 0.7), gyr=(0.5, 0.7)), batch()
    drawn = view.draw(x, seeded())
    once = view.transform(x, drawn)
    torch.testing.assert_close(view.transform(once, drawn), once, atol=1e-12, rtol=0)


def test_kinds_without_names_are_those_of_the_triads():
    assert find_kinds(None, 9) == ["acc"] * 3 + ["gyr"] * 3 + ["mag"] * 3
    assert find_kinds(None, 12) == [""] * 12
    assert find_kinds(ODD_NAMES, 6) == ODD_KINDS


def test_quantize_value():
    quantize, x = Quantize(acc=(0.1, 0.5), gyr=(0.1, 0.5)), batch()
    step, phase = quantize.draw(x, seeded())
    view = quantize.transform(x, Grid(step, phase)).numpy()
    for i in range(len(x)):
        for c in range(6):
            s, f = step[i, c].item(), phase[i, c].item()
            levels = s * (np.arange(-200, 200) + f)
            nearest = np.abs(x[i, c].numpy()[:, None] - levels).argmin(axis=1)
            np.testing.assert_allclose(view[i, c], levels[nearest], atol=1e-12)


def test_quantization_error_is_uniform_over_one_step():
    """Bennett 1948; the random phase makes it true of a device at rest as well."""
    at_rest = torch.full((20_000, 3, 2), 1.0, dtype=torch.float64)
    error = (Quantize(acc=(0.5, 0.5))(at_rest, seeded()) - at_rest)[:, :, 0]
    assert stats.kstest(error.flatten().numpy(), stats.uniform(-0.25, 0.5).cdf).pvalue > 1e-3
    correlation = np.corrcoef(error.T)[~np.eye(3, dtype=bool)]  # each axis has its own grid
    assert np.abs(correlation).max() < 5 / math.sqrt(20_000)


def test_default_steps_and_ranges_are_those_of_the_converters_they_name():
    quantize, saturate = Quantize(), Saturate()
    ranges = {"acc": 8.0, "gyr": math.radians(2000), "mag": 1200.0}
    for kind, half in ranges.items():
        finest, coarsest = getattr(quantize, kind)
        assert finest == pytest.approx(2 * half / 2**12, rel=0.05)
        assert coarsest == pytest.approx(2 * half / 2**8, rel=0.05)
    assert saturate.gyr == pytest.approx([math.radians(125), math.radians(2000)], rel=0.01)


def test_saturate_value():
    saturate, x = Saturate(acc=(0.5, 2.0), gyr=(0.5, 2.0)), batch()
    limits = saturate.draw(x, seeded())
    limit = limits.numpy()[:, :, None]
    np.testing.assert_array_equal(saturate.transform(x, limits), np.clip(x.numpy(), -limit, limit))


def test_saturate_leaves_a_device_at_rest_alone():
    at_rest = torch.zeros(64, 9, 32)
    at_rest[:, 2], at_rest[:, 8] = 1.0, 50.0  # gravity in g, the Earth's field in µT
    assert torch.equal(Saturate()(at_rest, seeded()), at_rest)
