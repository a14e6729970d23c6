"""What was done to a window: how it is drawn, what the heads are scored on, and what is refused."""

import copy
import math

import pytest
import torch

from tests.support.objectives import C, batch, learner, weights_of, windows
from tsclr.augment import (
    Chain,
    Jitter,
    Mirror,
    Mixup,
    OneOf,
    Permute,
    RandomOrder,
    Reverse,
    Rotate,
    TimeWarp,
)
from tsclr.encoders import CNN1d
from tsclr.objectives import Objective, TransformPrediction, apply_some
from tsclr.objectives import transforms as module
from tsclr.objectives.batch import Batch
from tsclr.specs import from_spec, spec_of


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_window_is_changed_by_the_augmentations_that_are_named():
    """One window after the other, with the values that were drawn for all of them."""
    x, augmentations = windows(16), [Permute(), Rotate(spread=1.0), TimeWarp()]
    views, applied = apply_some(x, augmentations, seeded())
    generator = seeded()
    drawn = []
    for augmentation in augmentations:
        values = augmentation.draw(x, generator)
        drawn.append((values, torch.rand(16, generator=generator) < 0.5))
    assert torch.equal(applied, torch.stack([chosen for _, chosen in drawn], dim=1))
    for b in range(16):
        expected = x
        for augmentation, (values, chosen) in zip(augmentations, drawn, strict=True):
            if chosen[b]:
                expected = augmentation.transform(expected, values)
        torch.testing.assert_close(views[b], expected[b], rtol=1e-12, atol=1e-12)


def test_half_of_the_windows_are_changed_each_way_by_itself():
    x = windows(1, length=8).expand(8000, C, 8)
    _, applied = apply_some(x, [Reverse(), Jitter(), Reverse()], seeded())
    patterns = applied.long() @ torch.tensor([1, 2, 4])
    # six standard deviations of a binomial count
    assert ((patterns.bincount() - 1000).abs() < 6 * math.sqrt(8000 / 8 * 7 / 8)).all()


def test_windows_given_are_left_as_they_are():
    x = windows()
    before = x.clone()
    apply_some(x, [Reverse(), Jitter()], seeded())
    assert torch.equal(x, before)


def test_nests_of_augmentations_are_drawn_for_each_window():
    nest = RandomOrder([OneOf([Reverse(), Permute()]), Chain([Jitter(), Rotate()])])
    x = windows(6)
    views, applied = apply_some(x, [nest], seeded())
    assert 0 < applied.sum() < 6
    assert torch.equal(views[~applied[:, 0]], x[~applied[:, 0]])
    assert not torch.isclose(views[applied[:, 0]], x[applied[:, 0]]).all(2).any()


def test_mixed_precision_does_not_round_positions_in_time():
    x = windows().float()
    exact, _ = apply_some(x, [TimeWarp(), Rotate()], seeded())
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = apply_some(x, [TimeWarp(), Rotate()], seeded())
    assert torch.equal(rounded, exact)


def reference(encoder, objective, given):
    """Binary cross entropy of each head, a window at a time."""
    names, losses = ["reverse", "permute", "time_warp"], [0, 0, 0]
    made = [apply_some(view, objective.augmentations, given.generator) for view in given.views]
    h = encoder(torch.cat([views for views, _ in made]))
    applied = torch.cat([which for _, which in made])
    for k, head in enumerate(objective.heads):
        for n in range(len(h)):
            probability = 1 / (1 + math.e ** -head(h[n : n + 1])[0, 0])
            right = probability if applied[n, k] else 1 - probability
            losses[k] = losses[k] - right.log() / len(h) / 3
    return dict(zip(names, losses, strict=True))


def test_terms_equal_the_formula_with_their_gradient():
    found = []
    for terms_of in (lambda *given: given[1](given[0], given[2]), reference):
        encoder, objective = learner(TransformPrediction)
        terms = terms_of(encoder, objective, batch())
        gradients = torch.autograd.grad(
            sum(terms.values()), list(weights_of(encoder, objective).values())
        )
        found.append((terms, gradients))
    torch.testing.assert_close(found[0], found[1], rtol=1e-8, atol=1e-10)


def test_an_encoder_that_cannot_tell_has_a_loss_of_log_2():
    encoder, objective = learner(TransformPrediction)
    for head in objective.heads:
        torch.nn.init.zeros_(head[-1].weight), torch.nn.init.zeros_(head[-1].bias)
    assert sum(objective(encoder, batch()).values()).item() == pytest.approx(math.log(2))


def test_tasks_of_one_kind_get_a_number():
    encoder = CNN1d(C)
    objective = TransformPrediction([Permute(), Reverse(), Permute(n_segments=2)])
    terms = objective.build(encoder, 100)(encoder, Batch([windows().float()]))
    assert list(terms) == ["permute", "reverse", "permute_2"]


def test_order_of_windows_does_not_matter(monkeypatch):
    """Each window takes along what was done to it."""
    x, order = windows(), torch.randperm(8, generator=seeded(2))
    views, applied = apply_some(x, [Reverse(), Permute(), TimeWarp()], seeded())
    found = []
    for rows in (torch.arange(8), order):
        monkeypatch.setattr(
            module, "apply_some", lambda *_, rows=rows: (views[rows], applied[rows])
        )
        encoder, objective = learner(TransformPrediction)
        found.append(objective(encoder, Batch([x[rows]])))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-12)


def test_names_of_channels_that_it_was_told_are_kept():
    """A mirror has to know which channels are the gyroscope."""
    encoder = CNN1d(C)
    channels = [f"{sensor}_{axis}" for sensor in ("gyr", "acc") for axis in "xyz"]
    told = TransformPrediction([Mirror().for_channels(channels)])
    objective = copy.deepcopy(told).build(encoder, 100)
    assert list(objective(encoder, Batch([windows().float()]))) == ["mirror"]
    with pytest.raises(ValueError, match="windows have 4 channels, for_channels was told 6"):
        apply_some(windows()[:, :4], objective.augmentations)


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (Reverse(p=0.5), r"Reverse has p = 0\.5, allowed is 1"),
        (Chain([Permute(), Jitter(p=0.9)]), r"Jitter has p = 0\.9, allowed is 1"),
        (Mixup(), "Mixup mixes windows"),
        (Chain([Mixup()]), "Mixup mixes windows"),
    ],
    ids=["p", "p inside", "mixes", "mixes inside"],
)
def test_augmentation_that_does_not_tell_what_was_done_is_refused(augmentation, message):
    with pytest.raises(ValueError, match=message):
        TransformPrediction([Reverse(), augmentation])


def test_empty_settings_are_refused():
    with pytest.raises(ValueError, match="augmentations is 0"):
        TransformPrediction([])
    with pytest.raises(ValueError, match="hidden is 0"):
        TransformPrediction([Reverse()], hidden=0)


def test_its_settings_build_it_again():
    spec = spec_of(TransformPrediction([Permute(n_segments=3), Chain([TimeWarp()])], hidden=7))
    again = from_spec(Objective, spec)
    assert spec_of(again) == spec
    assert again.augmentations[0].n_segments == 3


def test_after_a_short_training_it_tells_in_new_windows_what_was_done():
    torch.manual_seed(0)
    encoder = CNN1d(C, width=16)
    objective = TransformPrediction([Rotate(spread=math.inf), Jitter(sd=0.3)], hidden=32).build(
        encoder, 100
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *objective.parameters()], lr=5e-3)
    for step in range(60):
        given = Batch([windows(64, seed=step + 1).float()], generator=seeded(step + 1))
        optimizer.zero_grad()
        sum(objective(encoder, given).values()).backward()
        optimizer.step()
    encoder.eval()
    with torch.no_grad():
        terms = objective(encoder, Batch([windows(256).float()], generator=seeded()))
    assert all(term < 0.5 * math.log(2) / 2 for term in terms.values())
