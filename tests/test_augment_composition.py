import pytest
import torch

from tests.support.views import CLASSES, COMPOSED, MANY, batch, seeded, window_of
from tsclr.augment import Augmentation, Chain, Jitter, Mirror, OneOf, RandomOrder, Scale, SomeOf
from tsclr.augment.base import Gated
from tsclr.augment.composition import Ordered

every = pytest.mark.parametrize("cls", [CLASSES[name] for name in COMPOSED], ids=COMPOSED)


def one_by_one(
    steps: list[Augmentation], x: torch.Tensor, drawn: list[Gated], i: int
) -> torch.Tensor:
    """View of window `i`, made alone by the steps that apply to it."""
    view = x[i : i + 1]
    for step, (applies, values) in zip(steps, drawn, strict=True):
        if applies is None or applies[i]:
            view = step.transform(view, window_of(values, i))
    return view[0]


@pytest.mark.parametrize("composed", [Chain(MANY), SomeOf(MANY, n=2), OneOf(MANY)])
def test_steps_in_order_each_with_its_own_probability(composed):
    x = batch()
    drawn = composed.draw(x, seeded())
    view = composed.transform(x, drawn)
    for i in range(len(x)):
        torch.testing.assert_close(view[i], one_by_one(MANY, x, drawn, i))


def test_every_window_has_its_own_order():
    x = batch()
    composed = RandomOrder(MANY)
    order, drawn = composed.draw(x, seeded())
    view = composed.transform(x, Ordered(order, drawn))
    for i in range(len(x)):
        steps, values = zip(*[(MANY[k], drawn[k]) for k in order[i]], strict=True)
        torch.testing.assert_close(view[i], one_by_one(list(steps), x, list(values), i))
    assert len({tuple(row.tolist()) for row in order}) > 10


def test_every_order_is_equally_likely():
    order, _ = RandomOrder(MANY[:3]).draw(batch(B=6000, T=2), seeded())
    counts = torch.unique(order, dim=0, return_counts=True)[1].double()
    assert len(counts) == 6
    assert (counts / 6000 - 1 / 6).abs().max() < 5 * (1 / 6 / 6000) ** 0.5


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_some_of_chooses_n_all_equally_likely(n):
    always = [Scale(), Jitter(), Mirror(), Jitter(), Scale()]
    drawn = SomeOf(always, n=n).draw(batch(B=4000, T=2), seeded())
    chosen = torch.stack([gated.applies for gated in drawn])
    assert (chosen.sum(0) == n).all()
    assert (chosen.double().mean(1) - n / 5).abs().max() < 5 * 0.5 / 4000**0.5


@pytest.mark.parametrize(
    ("weights", "shares"), [(None, [1 / 3] * 3), ([3, 0, 1], [0.75, 0.0, 0.25])]
)
def test_one_of_chooses_by_weight(weights, shares):
    drawn = OneOf([Scale(), Jitter(), Mirror()], weights).draw(batch(B=4000, T=2), seeded())
    chosen = torch.stack([gated.applies for gated in drawn]).double()
    assert (chosen.sum(0) == 1).all()
    assert (chosen.mean(1) - torch.tensor(shares)).abs().max() < 5 * 0.5 / 4000**0.5


def test_a_chosen_step_keeps_its_own_probability():
    drawn = OneOf([Scale(p=0.5)]).draw(batch(B=4000, T=2), seeded())
    assert abs(drawn[0].applies.double().mean() - 0.5) < 5 * 0.5 / 4000**0.5


@every
def test_composition_leaves_windows_as_they_are_with_its_own_probability(cls):
    if cls is Chain:
        pytest.skip("a chain has the probabilities of its steps alone")
    x = batch(B=2000, T=8)
    composed = cls([Jitter()], p=0.25)
    changed = (composed(x, seeded()) != x).flatten(1).any(dim=1).double().mean()
    assert abs(changed - 0.25) < 5 * (0.25 * 0.75 / 2000) ** 0.5


@every
def test_composition_of_nothing_is_the_window(cls):
    x = batch()
    assert torch.equal(cls()(x), x)


@every
def test_compositions_nest_and_hand_the_channel_names_down(cls):
    names = ["gyr_x", "gyr_y", "gyr_z", "acc_x", "acc_y", "acc_z"]
    inner = Scale()
    nested = cls([Chain([inner]), Jitter()]).for_channels(names)
    assert inner.channels == tuple(names)
    assert nested(batch(), seeded()).shape == (16, 6, 64)


@pytest.mark.parametrize("n", [-1, 3])
def test_some_of_more_than_there_are(n):
    with pytest.raises(ValueError, match=f"n is {n}, allowed is 0 to 2"):
        SomeOf([Scale(), Jitter()], n=n)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_weights_that_make_no_sense(weights):
    with pytest.raises(ValueError, match="allowed is one for each of 2 augmentations"):
        OneOf([Scale(), Jitter()], weights)
