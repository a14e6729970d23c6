"""Positions are those of a ruler, and pairs without one do not count."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from tests.support.objectives import batch, learner
from tests.support.recordings import recording
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.encoders import CNN1d
from tsclr.objectives import ContextPrediction, relative_position
from tsclr.objectives.base import represent
from tsclr.objectives.batch import Batch
from tsclr.pairs import Neighbour


def ruler(lag, n_positions, least):
    """Class of one lag by going along the positions, or None."""
    for position in range(n_positions):
        if least + position <= abs(lag) < least + position + 1:
            return position if lag > 0 else n_positions + position
    return None


@pytest.mark.parametrize(("n_positions", "least"), [(1, 1.0), (4, 1.5), (3, 2.25)])
def test_positions_equal_those_of_a_ruler(n_positions, least):
    lags = [*torch.arange(-8, 8, 0.125).tolist(), 1e9, -1e9, math.inf]
    classes, valid = relative_position(torch.tensor(lags, dtype=torch.float64), n_positions, least)
    expected = [ruler(lag, n_positions, least) for lag in lags]
    assert valid.tolist() == [each is not None for each in expected]
    assert classes.tolist() == [each or 0 for each in expected]
    assert set(classes[valid].tolist()) == set(range(2 * n_positions))


def test_a_lag_that_rounding_makes_short_has_its_position():
    starts = torch.tensor([20.0, 20.0 + 2.56], dtype=torch.float64)
    lag = (starts[1] - starts[0]) / 2.56
    assert lag < 1
    classes, valid = relative_position(lag, n_positions=1, least=1.0)
    assert valid
    assert classes == 0


def slow_term(objective, h, given):
    """Every ordered pair of views with a position, one cross entropy each."""
    V, B, _ = h.shape
    pairs = [(v, u) for v in range(V) for u in range(V) if v != u]
    logits = objective.guess(
        torch.stack([torch.cat([h[v, b], h[u, b]]) for v, u in pairs for b in range(B)])
    )
    losses = []
    for row, (v, u, b) in zip(
        logits, [(*pair, b) for pair in pairs for b in range(B)], strict=True
    ):
        lag = (given.starts[u, b] - given.starts[v, b]).item() / objective.seconds
        position = ruler(lag, objective.n_positions, objective.least)
        if position is not None and given.recordings[v, b] == given.recordings[u, b]:
            losses.append(-(row[position].exp() / row.exp().sum()).log())
    return sum(losses) / len(losses), len(losses)


@pytest.mark.parametrize("n_views", [2, 3])
def test_term_equals_a_loop_over_pairs_with_its_gradient(n_views):
    """Lags of 0 to 12 lengths; two of the windows have a partner in another recording."""
    encoder, objective = learner(ContextPrediction)
    given = batch(n_views)
    generator = torch.Generator().manual_seed(0)
    starts = 31 * torch.rand(n_views, len(given), generator=generator, dtype=torch.float64)
    recordings = given.recordings.clone()
    recordings[0, 2:4] += 5
    given = dataclasses.replace(given, starts=starts, recordings=recordings)
    h = represent(encoder, given.views)
    expected, n_pairs = slow_term(objective, h, given)
    assert 0 < n_pairs < n_views * (n_views - 1) * (len(given) - 2)
    term = objective(encoder, given)["position"]
    torch.testing.assert_close(term, expected, rtol=1e-10, atol=1e-12)
    weights = list(objective.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(term, weights), torch.autograd.grad(expected, weights)
    )


@pytest.mark.parametrize("lag", [0.0, 2.5, 3.8, 14.2])
def test_overlapping_adjoining_and_far_windows_do_not_count(lag):
    encoder, objective = learner(ContextPrediction)
    starts = torch.tensor([[0.0], [lag]], dtype=torch.float64).expand(2, 8)
    assert objective(encoder, dataclasses.replace(batch(), starts=starts))["position"] == 0


def test_the_pairing_of_the_config_supplies_every_position_and_nothing_else():
    store = Store.build([recording(4000, "s1"), recording(3000, "s2")])
    windows = Windows.sliding(store, 128, 64)
    pairing = Neighbour(seconds=14.0, gap=3.84)
    index = pairing.usable(windows).repeat(50)
    partner = pairing.partner(index, windows, torch.Generator().manual_seed(0))
    lag = torch.from_numpy((windows.starts[partner] - windows.starts[index]) / 128)
    classes, valid = relative_position(lag)
    assert valid.all()
    assert len(np.unique(classes)) == 8


def test_direction_of_time_can_be_learned():
    """A slope tells which window came first."""
    torch.manual_seed(0)
    encoder = CNN1d(6, width=16)
    objective = ContextPrediction(hidden=32).build(encoder, n_windows=10)
    optimizer = torch.optim.Adam([*encoder.parameters(), *objective.parameters()], lr=5e-3)
    generator = torch.Generator().manual_seed(0)

    def loss():
        starts = 100 * torch.rand(1, 32, generator=generator, dtype=torch.float64)
        lag = 2.56 * (1.6 + 3.8 * torch.rand(1, 32, generator=generator, dtype=torch.float64))
        sign = torch.rand(1, 32, generator=generator, dtype=torch.float64).sub(0.5).sign()
        starts = torch.cat([starts, starts + sign * lag])
        views = list((starts.float() / 20)[..., None, None].expand(2, 32, 6, 32).contiguous())
        recordings = torch.zeros(2, 32, dtype=torch.int64)
        given = Batch(views, starts=starts, recordings=recordings)
        return objective(encoder, given)["position"]

    first = loss().item()
    for _ in range(60):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < math.log(4) < math.log(8) - 0.3 < first


@pytest.mark.parametrize("what", ["starts", "recordings"])
def test_a_batch_without_times_is_refused(what):
    encoder, objective = learner(ContextPrediction)
    with pytest.raises(ValueError, match=f"ContextPrediction needs the {what} of the batch"):
        objective(encoder, dataclasses.replace(batch(), **{what: None}))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"seconds": 0.0}, "seconds is 0.0, it must be finite and greater than 0"),
        ({"seconds": math.inf}, "seconds is inf"),
        ({"least": 0.9}, "least is 0.9, it must be finite and at least 1"),
        ({"least": math.nan}, "least is nan"),
        ({"n_positions": 0}, "n_positions is 0"),
        ({"hidden": 0}, "hidden is 0"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        ContextPrediction(**setting)
