import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.support.views import batch, seeded
from tsclr.augment import ChannelDropout, SampleDropout, SensorDropout, TimeMask


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (ChannelDropout, {"rate": 1.5}),
        (SensorDropout, {"rate": -0.5}),
        (SampleDropout, {"rate": math.nan}),
        (SampleDropout, {"packet": 0}),
        (TimeMask, {"fraction": -0.2}),
    ],
)
def test_setting_outside_its_range(cls, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} is {value}, allowed is"):
        cls(**arguments)


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


def test_time_mask_starts_anywhere_with_equal_chance():
    start = TimeMask(0.2).draw(batch(B=20_000, C=1, T=40), seeded())
    assert stats.chisquare(start.bincount(minlength=33)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("names", "sensors"),
    [
        (None, [0, 0, 0, 1, 1, 1]),
        (
            ["gyr_z", "wrist_acc_x", "gyr_x", "rate", "wrist_acc_y", "ankle_acc_x"],
            [0, 1, 0, 2, 1, 3],
        ),
    ],
)
@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_sensor_dropout(names, sensors, rate):
    x = batch(B=4000, T=4)
    dropout = SensorDropout(rate)
    if names:
        dropout.for_channels(names)
    kept = dropout.draw(x, seeded())
    view = dropout.transform(x, kept)
    np.testing.assert_array_equal(view, np.where(kept.numpy()[:, :, None], x.numpy(), 0.0))
    n_sensors = max(sensors) + 1
    first = [sensors.index(sensor) for sensor in range(n_sensors)]
    assert torch.equal(kept[:, first][:, sensors], kept)  # whole sensors
    assert kept.any(dim=1).all()
    # if all sensors fall, one is spared
    expected = 1 - rate + rate**n_sensors / n_sensors
    spread = 5 * 0.5 / math.sqrt(4000)
    assert (kept.double().mean(dim=0) - expected).abs().max() <= spread


def test_the_only_sensor_is_kept():
    x = batch(C=3)
    assert torch.equal(SensorDropout(rate=1.0)(x, seeded()), x)


def test_unknown_fill():
    with pytest.raises(ValueError, match="fill is 'mean', allowed are 'hold' and 'linear'"):
        SampleDropout(fill="mean")


def filled(window: np.ndarray, arrives: np.ndarray, fill: str) -> np.ndarray:
    """Slow reference: sample by sample."""
    times = np.flatnonzero(arrives)
    if fill == "linear":
        return np.stack([np.interp(np.arange(len(arrives)), times, row[times]) for row in window])
    held = [max((t for t in times if t <= now), default=times[0]) for now in range(len(arrives))]
    return window[:, held]


@pytest.mark.parametrize("fill", ["hold", "linear"])
@given(data=st.data())
def test_sample_dropout_value(fill, data):
    T = data.draw(st.integers(2, 40))
    mask = st.lists(st.booleans(), min_size=T, max_size=T).filter(any)
    arrives = np.array(data.draw(st.lists(mask, min_size=1, max_size=4)))
    x = batch(len(arrives), 3, T)
    view = SampleDropout(fill=fill).transform(x, torch.from_numpy(arrives))
    for i in range(len(x)):
        np.testing.assert_allclose(view[i], filled(x[i].numpy(), arrives[i], fill), atol=1e-12)


@pytest.mark.parametrize("fill", ["hold", "linear"])
def test_what_arrives_is_untouched(fill):
    dropout, x = SampleDropout(rate=0.5, fill=fill), batch()
    arrives = dropout.draw(x, seeded())
    kept = arrives[:, None].expand_as(x)
    assert torch.equal(dropout.transform(x, arrives)[kept], x[kept])


def packets(arrives: np.ndarray, packet: int, phase: int) -> np.ndarray | None:
    """Which packets of the grid arrive, or None where one arrives in part."""
    padded = np.pad(arrives.astype(float), (phase, 0), constant_values=np.nan)
    padded = np.pad(padded, (0, -len(padded) % packet), constant_values=np.nan)
    grid = padded.reshape(-1, packet)
    whole = np.nanmin(grid, axis=1) == np.nanmax(grid, axis=1)
    return np.nanmax(grid, axis=1) if whole.all() else None


def test_whole_packets_are_lost_from_a_random_phase_each_on_its_own():
    rate, packet = 0.4, 4
    arrives = SampleDropout(rate, packet).draw(batch(B=3000, C=1, T=80), seeded()).numpy()
    phases, inner = [], []
    for row in arrives:
        fits = [f for f in range(packet) if packets(row, packet, f) is not None]
        assert fits
        if len(fits) == 1:  # enough changes to tell the phase
            phases.append(fits[0])
            inner.append(packets(row, packet, fits[0])[1:-1][:18])
    assert len(phases) > 2900
    assert stats.chisquare(np.bincount(phases, minlength=packet)).pvalue > 1e-3
    inner = np.array(inner)
    assert abs(inner.mean() - (1 - rate)) < 5 * 0.5 / math.sqrt(inner.size)
    together = np.corrcoef(inner[:, :-1].flatten(), inner[:, 1:].flatten())[0, 1]
    assert abs(together) < 5 / math.sqrt(inner.size)


@pytest.mark.parametrize(("packet", "T"), [(1, 2), (3, 16), (16, 16), (4096, 16)])
def test_one_packet_always_arrives(packet, T):
    arrives = SampleDropout(rate=1.0, packet=packet).draw(batch(B=2000, C=1, T=T), seeded())
    assert arrives.any(dim=1).all()
    assert (arrives.sum(dim=1) <= packet).all()
    assert (arrives.int().diff(dim=1).abs().sum(dim=1) <= 2).all()  # one run
    assert (arrives.any(dim=0)).all()  # which may lie anywhere


@pytest.mark.parametrize("cls", [SampleDropout, TimeMask])
def test_what_is_lost_is_lost_in_all_channels_cl_har(cls):
    """CL-HAR gives each channel a clock of its own (FACTS § 3.5): one device has one radio."""
    one = batch(C=1)
    view = cls()(one.expand(-1, 6, -1), seeded())
    assert torch.equal(view, view[:, :1].expand_as(view))
