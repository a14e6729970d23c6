"""Training in stages: what pauses change, what the average is, what is chosen and when it ends."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from tests.support.waves import slow_and_fast
from tsclr.encoders import CNN1d
from tsclr.evaluate.arena import ArenaCNN
from tsclr.evaluate.finetune import FineTuned
from tsclr.evaluate.scratch import FromScratch
from tsclr.evaluate.staged import SHARPNESS, Average, Staged, lengths_up_to

BUILD = {
    "FineTuned": lambda **settings: FineTuned(CNN1d(3, width=8).eval(), batch_size=8, **settings),
    "FromScratch": lambda **settings: FromScratch(build, batch_size=8, **settings),
    "ArenaCNN": lambda **settings: ArenaCNN(np.zeros(3, np.float32), np.ones(3, np.float32)),
}


def build() -> CNN1d:
    return CNN1d(3, width=8)


@pytest.fixture
def waves() -> tuple[np.ndarray, np.ndarray]:
    return slow_and_fast()


@pytest.fixture(params=BUILD, ids=str)
def staged(request: pytest.FixtureRequest) -> Staged:
    torch.manual_seed(0)
    return BUILD[request.param](windows=64 * 6)


def some_stages(staged: Staged) -> list[Staged]:
    """A few that differ and are short."""
    return staged.stages()[:3] if isinstance(staged, ArenaCNN) else staged.stages()[-3:]


def outputs(fitted: Staged, X: np.ndarray) -> torch.Tensor:
    with torch.inference_mode():
        return fitted.network_(torch.from_numpy(X)).clone()


def test_pauses_change_nothing(staged: Staged, waves: tuple) -> None:
    """A training that is scored on the way, and one that ends at that stage, predict the same."""
    X, y = waves
    first, *_, last = stages = some_stages(staged)
    found = []
    for fitted in clone(staged).fit_stages(X, y, stages):
        fitted.predict(X)
        torch.manual_seed(99)  # what else is random in the process changes nothing either
        found.append(outputs(fitted, X))
    assert torch.equal(found[0], outputs(clone(first).fit(X, y), X))
    assert torch.equal(found[-1], outputs(clone(last).fit(X, y), X))
    assert not torch.equal(found[0], found[-1])


def test_trainings_side_by_side_do_not_disturb_each_other(staged: Staged, waves: tuple) -> None:
    X, y = waves
    stages = some_stages(staged)
    alone = [outputs(fitted, X) for fitted in clone(staged).fit_stages(X, y, stages)]
    pairs = zip(*(clone(staged).fit_stages(X, y, stages) for _ in range(2)), strict=True)
    both = [[outputs(fitted, X) for fitted in pair] for pair in pairs]
    for expected, (one, other) in zip(alone, both, strict=True):
        assert torch.equal(one, expected)
        assert torch.equal(other, expected)


def test_the_stages_get_longer_and_end_with_the_whole(staged: Staged) -> None:
    stages = staged.stages()
    steps = [stage.n_steps(40) for stage in stages]
    assert steps == sorted(steps)
    assert steps[0] < steps[-1]
    assert stages[-1].get_params(deep=False) == staged.get_params(deep=False)


def test_another_seed_is_another_training(waves: tuple) -> None:
    X, y = waves
    for kind in ("FromScratch", "ArenaCNN"):
        short = BUILD[kind](windows=640).stages()[0]
        one, same, other = (
            outputs(clone(short).set_params(seed=seed).fit(X, y), X) for seed in (0, 0, 1)
        )
        assert torch.equal(one, same)
        assert not torch.allclose(one, other)


def test_the_average_is_the_weighted_mean_of_its_definition() -> None:
    """Its weights are those of polynomial decay: of step k among n, ∝ k (k + 1) … (k + η - 1)."""
    network, weights = nn.Linear(1, 1, bias=False), np.random.default_rng(0).normal(size=30)
    average = Average(network)
    for step, weight in enumerate(weights):
        nn.init.constant_(network.weight, weight)
        average.update(step)
    share = np.array([np.prod(np.arange(k, k + SHARPNESS, dtype=float)) for k in range(1, 31)])
    expected = share @ weights / share.sum()
    assert average.network.weight.item() == pytest.approx(expected, abs=1e-5)


def test_an_encoder_learns_from_scratch_with_views(waves: tuple) -> None:
    shapes = []

    def view(x: torch.Tensor) -> torch.Tensor:
        shapes.append(x.shape)
        return x + 0.01 * torch.randn_like(x)

    X, y = waves
    fitted = FromScratch(build, windows=80 * 32, batch_size=32, view=view).fit(X[::2], y[::2])
    assert (fitted.predict(X[1::2]) == y[1::2]).mean() > 0.9
    assert shapes == [(32, 3, 64)] * 80  # as many as asked for, though only 20 are labelled
    assert not fitted.network_.training


def test_the_network_of_the_arena_learns_and_weighs_rare_classes_up(waves: tuple) -> None:
    X, y = waves
    kept = np.r_[0:20, 20:24]
    arena = BUILD["ArenaCNN"]().set_params(epochs=12)
    fitted = clone(arena).fit(X[kept], y[kept])
    assert (fitted.predict(X) == y).mean() > 0.9
    loss = arena.begin(torch.from_numpy(X[kept]), torch.from_numpy((y[kept] == 7).astype(int))).loss
    assert loss.keywords["weight"].tolist() == pytest.approx([24 / 40, 24 / 8])


def schedule(make: Callable[..., Staged], n_windows: int, steps: list[int]) -> list[float]:
    """The factors of the rate in some steps."""
    labels = torch.arange(n_windows) % 2
    training = make().begin(torch.randn(n_windows, 3, 64), labels)
    return [training.schedule.lr_lambdas[0](step) for step in steps]


def test_the_rate_of_the_arena_falls_over_a_hundred_epochs_however_many_are_run() -> None:
    short = lambda: BUILD["ArenaCNN"]().set_params(epochs=3)  # noqa: E731
    assert schedule(short, 640, [0, 500, 1000]) == pytest.approx([1, 0.5, 0], abs=1e-9)
    assert short().n_steps(640) == 3 * 10
    assert short().n_steps(6) == 3 * 10
    assert short().n_steps(641) == 3 * 11


@pytest.mark.parametrize(("longest", "first"), [(583_680, 6449), (100_000, 8839), (5_000, 5_000)])
def test_no_stage_ends_before_anything_is_learned(longest: int, first: int) -> None:
    """A network that has made six steps says one class of everything: no reason to stop there."""
    lengths = lengths_up_to(longest, batch_size=256)
    assert lengths[0] == first
    assert lengths[-1] == longest
    assert all(length >= 25 * 256 for length in lengths[:-1])
