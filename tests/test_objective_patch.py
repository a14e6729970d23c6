"""Contrast of steps within a window equals its formula written out in loops."""

import math

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, batch, learner
from tsclr.objectives import PatchNCE, patch_nce
from tsclr.objectives.base import represent_steps


def unit(x):
    return x / sum(value * value for value in x) ** 0.5


def reference(query, keys, temperature):
    """Equation 3 of Park et al. 2020 in loops, negatives within the window."""
    losses = []
    for q_window, k_window in zip(query, keys, strict=True):
        for s, q in enumerate(q_window):
            exponentials = [(sum(unit(q) * unit(k)) / temperature).exp() for k in k_window]
            losses.append(-(exponentials[s] / sum(exponentials)).log())
    return sum(losses) / len(losses)


def embeddings(n_windows=3, n_steps=4, width=5):
    generator = torch.Generator().manual_seed(n_steps)
    shape = (2, n_windows, n_steps, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_it_equals_the_formula_with_its_gradient(temperature):
    steps = embeddings()
    loss, slow = patch_nce(*steps, temperature), reference(*steps, temperature)
    assert_same_with_gradient(loss, slow, steps)


def test_a_shift_in_time_between_the_views_costs():
    steps = embeddings().detach()[:1].expand(2, 3, 4, 5)
    moved = torch.stack([steps[0], steps[1].roll(1, dims=1)])
    assert patch_nce(*moved) > patch_nce(*steps) + 1


def test_it_looks_at_one_window_at_a_time():
    steps = embeddings()
    each = [patch_nce(steps[0, b : b + 1], steps[1, b : b + 1]) for b in range(3)]
    torch.testing.assert_close(patch_nce(*steps), sum(each) / 3)


def test_length_of_an_embedding_does_not_matter():
    steps = embeddings()
    longer = torch.tensor([1e-2, 1e2]).view(2, 1, 1, 1) * steps
    torch.testing.assert_close(patch_nce(*longer), patch_nce(*steps))


def test_mixed_precision_compares_in_single_precision():
    steps = embeddings().detach().float()
    with torch.autocast("cpu", torch.bfloat16):
        found = patch_nce(*steps)
    torch.testing.assert_close(found, patch_nce(*steps.double()).float())


def test_it_relates_every_view_to_every_other():
    encoder, objective = learner(PatchNCE)
    given = batch(n_views=3)
    maps = represent_steps(encoder, given.views)
    steps = objective.project_steps(maps.mT.flatten(0, 2)).view(3, 8, maps.shape[-1], -1)
    pairs = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    expected = sum(patch_nce(steps[v], steps[w], objective.temperature) for v, w in pairs) / 6
    torch.testing.assert_close(objective(encoder, given)["patch_nce"], expected)


@pytest.mark.parametrize("temperature", [0.0, -0.2, math.inf, math.nan])
def test_impossible_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        PatchNCE(temperature=temperature)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        patch_nce(*embeddings(), temperature)


@pytest.mark.parametrize("name", ["hidden", "width"])
def test_empty_layers_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        PatchNCE(**{name: 0})


def test_a_map_of_one_step_is_refused():
    with pytest.raises(ValueError, match="has 1 step"):
        patch_nce(*embeddings(n_steps=1))
