"""TS2Vec equals its formulas written out in loops, on steps that show the same samples."""

import dataclasses
import math
from itertools import product

import pytest
import torch

from tests.support.objectives import C, assert_same_with_gradient, batch, learner, loss_of
from tsclr.encoders import CNN1d, Encoder, ResNet1d, Spectrum, Statistics, Transformer
from tsclr.objectives import (
    TS2Vec,
    crops,
    hierarchical,
    hierarchical_contrast,
    instance_contrast,
    temporal_contrast,
)
from tsclr.objectives.batch import Batch
from tsclr.objectives.crops import Crops, cropped, draw_crops, masked, samples_per_step

PATCH = 4


def reference(z, rivals_of):
    """Equations 1 and 2 of Yue et al. 2022 in loops, over all ordered pairs of views."""
    V, B, _, S = z.shape
    losses = []
    for v, b, t in product(range(V), range(B), range(S)):
        anchor = z[v, b, :, t]
        rivals = sum(sum(anchor * z[u, m, :, r]).exp() for u, m, r in rivals_of(z, v, b, t))
        losses += [-(sum(anchor * z[w, b, :, t]).exp() / rivals).log() for w in range(V) if w != v]
    return sum(losses) / len(losses)


def same_window(z, v, b, t):
    return [(u, b, r) for u, r in product(range(len(z)), range(z.shape[3])) if (u, r) != (v, t)]


def same_step(z, v, b, t):
    return [(u, m, t) for u, m in product(range(len(z)), range(z.shape[1])) if (u, m) != (v, b)]


def coarser(z):
    pairs = [torch.maximum(z[..., 2 * i], z[..., 2 * i + 1]) for i in range(z.shape[-1] // 2)]
    return torch.stack(pairs, dim=-1)


def hierarchical_reference(z):
    """Algorithm 1; the temporal contrast of a single step is log 1."""
    instance, temporal = [reference(z, same_step)], [reference(z, same_window)]
    while z.shape[-1] > 1:
        z = coarser(z)
        instance.append(reference(z, same_step))
        temporal.append(reference(z, same_window) if z.shape[-1] > 1 else 0)
    return sum(instance) / len(instance), sum(temporal) / len(temporal)


def representations(n_views=2, n_windows=3, n_steps=4, width=5):
    generator = torch.Generator().manual_seed(10 * n_views + n_steps)
    shape = (n_views, n_windows, width, n_steps)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize(
    ("contrast", "rivals_of"), [(temporal_contrast, same_window), (instance_contrast, same_step)]
)
def test_both_contrasts_equal_their_formula_with_its_gradient(n_views, contrast, rivals_of):
    z = representations(n_views)
    loss, slow = contrast(z), reference(z, rivals_of)
    assert_same_with_gradient(loss, slow, z)


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("n_steps", [2, 5, 6])
@pytest.mark.parametrize("which", [0, 1], ids=["instance", "temporal"])
def test_the_hierarchy_equals_the_algorithm_with_its_gradient(n_views, n_steps, which):
    z = representations(n_views, 2, n_steps, width=3)
    loss, slow = hierarchical_contrast(z)[which], hierarchical_reference(z)[which]
    assert_same_with_gradient(loss, slow, z)


def test_no_step_is_its_own_rival():
    """Orthogonal and long: with itself in the denominator, exp(100) would drown all."""
    z = 10 * torch.eye(12, dtype=torch.float64).view(2, 2, 3, 12).mT
    assert temporal_contrast(z).item() == pytest.approx(math.log(5), rel=1e-12)
    assert instance_contrast(z).item() == pytest.approx(math.log(3), rel=1e-12)


def test_order_of_windows_and_views_does_not_matter_nor_time_to_the_lowest_level():
    z = representations(3)
    for contrast in (hierarchical_contrast, temporal_contrast, instance_contrast):
        torch.testing.assert_close(contrast(z.flip(0)), contrast(z))
        torch.testing.assert_close(contrast(z.flip(1)), contrast(z))
    torch.testing.assert_close(temporal_contrast(z.flip(3)), temporal_contrast(z))


def test_mixed_precision_compares_in_single_precision():
    z = representations().detach().float()
    exact = hierarchical_contrast(z.double())
    with torch.autocast("cpu", torch.bfloat16):
        for value, expected in zip(hierarchical_contrast(z), exact, strict=True):
            torch.testing.assert_close(value, expected.float())


@pytest.mark.parametrize("size", ["n_views", "n_windows", "n_steps"])
def test_nothing_to_contrast_is_refused(size):
    with pytest.raises(ValueError, match=f"the number of {size[2:]} is 1"):
        hierarchical_contrast(representations(**{size: 1}))


class Patches(Encoder):
    """Steps are the samples themselves, `PATCH` at a time."""

    def __init__(self, in_channels):
        super().__init__(in_channels, in_channels * PATCH, ["mean"])

    def features(self, x):
        whole = torch.nn.functional.pad(x, (0, -x.shape[2] % PATCH))
        return whole.unflatten(2, (-1, PATCH)).transpose(2, 3).flatten(1, 2)


class FiveSteps(Encoder):
    """As many steps for any window."""

    def __init__(self, in_channels):
        super().__init__(in_channels, in_channels, ["mean"])

    def features(self, x):
        return torch.nn.functional.adaptive_avg_pool1d(x, 5)


@pytest.fixture
def compared(monkeypatch):
    """What TS2Vec hands to the loss at each call."""
    seen = []
    contrast = hierarchical.hierarchical_contrast
    monkeypatch.setattr(
        hierarchical, "hierarchical_contrast", lambda z: seen.append(z) or contrast(z)
    )
    return seen


def ramps(n=6, length=30):
    """Windows of which each sample tells its window and its time."""
    return 100.0 * torch.arange(n)[:, None, None] + torch.arange(length).expand(n, 2, length)


@pytest.mark.parametrize("n_views", [2, 3])
def test_common_steps_show_the_same_samples_in_all_views(compared, n_views):
    objective = TS2Vec(mask_fraction=0.0).build(Patches(2), 10)
    starts, lengths = set(), set()
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        views = [ramps() for _ in range(n_views)]
        objective(Patches(2), Batch(views, generator=generator))
        z = compared[-1]
        assert len(z) == n_views
        assert all(torch.equal(view, z[0]) for view in z)
        steps = z[0].unflatten(1, (2, PATCH))[:, 0]  # (B, PATCH, S)
        times = steps.mT.flatten(1) - 100 * torch.arange(6)[:, None]
        assert (times.diff() == 1).all()  # one run of samples
        assert times.min() >= 0
        assert times.max() < 30
        starts |= set(times[:, 0].tolist())
        lengths.add(z.shape[-1])
    assert lengths == set(range(2, 30 // PATCH + 1))
    assert len(starts) > PATCH * 2  # not at multiples of the stride only


def test_surroundings_of_the_common_steps_differ_between_the_crops(compared, monkeypatch):
    """An encoder that adds up what came so far tells where a crop began."""

    class Running(Patches):
        def features(self, x):
            return super().features(x).cumsum(2)

    monkeypatch.setattr(hierarchical, "draw_crops", lambda *_: Crops(0, 2, 5, 7))
    views = [torch.ones(4, 1, 28)] * 2
    TS2Vec(mask_fraction=0.0).build(Running(1), 10)(Running(1), Batch(views))
    first, second = compared[0][:, 0, 0]
    assert first.tolist() == [3, 4, 5]
    assert second.tolist() == [1, 2, 3]


@pytest.mark.parametrize("n_steps", [2, 4])
def test_every_pair_of_crops_can_be_drawn_and_no_other(n_steps):
    steps = range(n_steps + 1)
    possible = {
        (begin, start, stop, end)
        for begin, start, stop, end in product(steps, repeat=4)
        if begin <= start and start + 2 <= stop <= end
    }
    generator = torch.Generator().manual_seed(0)
    assert {tuple(draw_crops(n_steps, generator)) for _ in range(500)} == possible


def test_masking_hides_the_drawn_share_in_all_channels():
    x = torch.randn(50, 3, 200, generator=torch.Generator().manual_seed(0))
    view = masked(x, 0.3, torch.Generator().manual_seed(1))
    hidden = view != x
    assert hidden.float().mean() == pytest.approx(0.3, abs=0.02)
    assert (hidden.all(1) == hidden.any(1)).all()
    torch.testing.assert_close(view[hidden], x.mean(2, keepdim=True).expand_as(x)[hidden])
    assert torch.equal(masked(x, 0.0, None), x)
    torch.testing.assert_close(masked(x, 1.0, None), x.mean(2, keepdim=True).expand_as(x))


def test_each_crop_is_masked_anew(compared):
    objective = TS2Vec(mask_fraction=0.5).build(Patches(2), 10)
    objective(Patches(2), Batch([ramps(), ramps()], generator=torch.Generator().manual_seed(0)))
    assert not torch.equal(*compared[0])


def test_each_part_begins_at_its_own_sample():
    x, first = torch.arange(40).view(2, 2, 10), torch.tensor([0, 7])
    parts = cropped(x.float(), first, 3)
    assert torch.equal(parts[0], x[0, :, 0:3].float())
    assert torch.equal(parts[1], x[1, :, 7:10].float())


@pytest.mark.parametrize(
    ("encoder", "stride"),
    [
        (CNN1d(C), 16),
        (CNN1d(C, width=8, depth=1), 4),
        (ResNet1d(C, width=8, blocks=(1, 1)), 8),
        (Transformer(C, patch=10), 10),
        (Transformer(C, patch=1), 1),
        (Patches(C), PATCH),
    ],
)
def test_the_stride_of_an_encoder_is_measured(encoder, stride):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    assert samples_per_step(encoder) == stride
    assert encoder.training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize(
    ("encoder", "found"),
    [
        (FiveSteps(2), "FiveSteps makes 5 steps of 3 samples and 5 of one more"),
        (Statistics(2), "Statistics makes 1 steps of"),
        (Spectrum(2, CNN1d(2)), "Spectrum makes 3 steps of 93 samples and 3 of one more"),
    ],
)
def test_steps_that_do_not_follow_time_are_refused(encoder, found):
    with pytest.raises(ValueError, match=found):
        TS2Vec().build(encoder, 10)


def test_a_window_of_one_step_is_refused():
    encoder, objective = learner(TS2Vec)
    short = dataclasses.replace(batch(), views=[view[..., :31] for view in batch().views])
    with pytest.raises(ValueError, match="31 samples, TS2Vec needs at least 32"):
        objective(encoder, short)


def test_order_of_windows_does_not_matter_with_the_draws_held_fixed(monkeypatch):
    straight = loss_of(*learner(TS2Vec), batch())
    order = torch.randperm(8, generator=torch.Generator().manual_seed(2))
    for module in (hierarchical, crops):
        monkeypatch.setattr(module, "own_rows", lambda whole: whole[order])
    shuffled = dataclasses.replace(batch(), views=[view[order] for view in batch().views])
    torch.testing.assert_close(loss_of(*learner(TS2Vec), shuffled), straight)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_ts2vec_weighs_instances_and_time(compared, weight):
    encoder, objective = learner(TS2Vec)
    objective.instance_weight = weight
    terms = objective(encoder, batch())
    instance, temporal = hierarchical_contrast(compared[0])
    torch.testing.assert_close(terms["instance"], weight * instance)
    torch.testing.assert_close(terms["temporal"], (1 - weight) * temporal)


@pytest.mark.parametrize("name", ["instance_weight", "mask_fraction"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_setting_that_is_no_fraction_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        TS2Vec(**{name: value})
