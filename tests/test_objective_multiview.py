"""The contrast between parts equals its formula written out in loops."""

import dataclasses
import math

import pytest
import torch

from tests.support.objectives import (
    assert_same_with_gradient,
    batch,
    in_single_precision,
    learner,
    loss_of,
    train,
)
from tsclr.encoders import CNN1d, Concat
from tsclr.objectives import CMC, multiview_nce
from tsclr.objectives.base import represent


def contrast(anchors, keys, temperature):
    """Equation 3 of Tian et al. 2020 in loops: the softmax over the keys of one other part."""
    losses = []
    for n, anchor in enumerate(anchors):
        scores = [
            math.e ** (sum(anchor * key) / (anchor.norm() * key.norm() * temperature))
            for key in keys
        ]
        losses.append(-(scores[n] / sum(scores)).log())
    return sum(losses) / len(losses)


def reference(z, temperature):
    """Equations 5 and 8: pairs i < j in both directions, here averaged over all pairs of views."""
    M, V = z.shape[:2]
    loss = 0
    for i in range(M):
        for j in range(i + 1, M):
            for a in range(V):
                for b in range(V):
                    both = contrast(z[i, a], z[j, b], temperature)
                    both = both + contrast(z[j, b], z[i, a], temperature)
                    loss = loss + both / V**2
    return loss


def embeddings(n_parts, n_views, n_windows=4, width=3):
    generator = torch.Generator().manual_seed(10 * n_parts + n_views)
    shape = (n_parts, n_views, n_windows, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize(("n_parts", "n_views"), [(2, 1), (2, 2), (3, 1), (3, 3)])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_it_equals_the_formula_with_its_gradient(n_parts, n_views, temperature):
    z = embeddings(n_parts, n_views)
    loss, slow = multiview_nce(z, temperature), reference(z, temperature)
    assert_same_with_gradient(loss, slow, z)


def test_parts_that_tell_nothing_give_the_logarithm_of_the_windows():
    z = torch.ones(3, 2, 8, 4, dtype=torch.float64)
    assert multiview_nce(z).item() == pytest.approx(6 * math.log(8))


def test_a_part_is_never_contrasted_with_itself():
    """Each part is the same for all windows in its own axis: only the other part could tell."""
    z = embeddings(2, 2).detach()
    z[0] = torch.tensor([1.0, 0, 0])
    z[1] = torch.tensor([0, 1.0, 0])
    assert multiview_nce(z).item() == pytest.approx(2 * math.log(4))


def test_order_of_parts_and_views_does_not_matter():
    z = embeddings(3, 2)
    torch.testing.assert_close(multiview_nce(z), multiview_nce(z.flip(0)))
    torch.testing.assert_close(multiview_nce(z), multiview_nce(z.flip(1)))


def test_length_of_an_embedding_does_not_matter():
    z = embeddings(2, 2)
    torch.testing.assert_close(multiview_nce(z), multiview_nce(z * 1e3))


def test_mixed_precision_is_computed_in_single_precision():
    z = embeddings(2, 2).detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss = multiview_nce(z)
    torch.testing.assert_close(loss, multiview_nce(z.float()))


def test_cmc_scores_what_its_projectors_give():
    encoder, objective = learner(CMC)
    given = batch(n_views=3)
    parts = represent(encoder, given.views).split(encoder.part_widths, dim=2)
    z = torch.stack(
        [
            head(part.flatten(0, 1)).unflatten(0, (3, -1))
            for head, part in zip(objective.projectors, parts, strict=True)
        ]
    )
    terms = objective(encoder, given)
    torch.testing.assert_close(terms["multiview_nce"], multiview_nce(z, objective.temperature))


def test_a_single_view_is_enough():
    encoder, objective = learner(CMC)
    loss = loss_of(encoder, objective, batch(n_views=1))
    assert loss.item() < 2 * math.log(8) + 2
    loss.backward()


def test_it_learns_which_gyroscope_belongs_to_an_accelerometer():
    encoder, objective = (each.float() for each in learner(CMC))
    train(encoder, objective, steps=30, rate=2e-3)
    objective.eval(), encoder.eval()
    given = in_single_precision(batch(n_views=1))
    (view,) = given.views
    mixed = torch.cat([view[:, :3], view[:, 3:].roll(3, dims=0)], dim=1)
    with torch.no_grad():
        matched = loss_of(encoder, objective, given)
        mismatched = loss_of(encoder, objective, dataclasses.replace(given, views=[mixed]))
    assert matched < 1 < 4 < mismatched


def test_each_part_has_a_projector_of_its_width():
    encoder = Concat(6, [CNN1d(6, width=4), CNN1d(6, width=8), CNN1d(6, width=2)])
    objective = CMC(hidden=12, width=5).build(encoder, n_windows=10)
    assert [tuple(head[0].weight.shape) for head in objective.projectors] == [
        (12, 48),
        (12, 96),
        (12, 24),
    ]


def test_an_encoder_of_one_part_is_refused():
    with pytest.raises(ValueError, match="CNN1d has only one: use a Concat"):
        CMC().build(CNN1d(6), n_windows=10)


@pytest.mark.parametrize("temperature", [0.0, -0.2, math.inf, math.nan])
def test_impossible_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        CMC(temperature=temperature)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        multiview_nce(embeddings(2, 1), temperature)


@pytest.mark.parametrize(("shape", "what"), [((1, 2, 4, 3), "parts"), ((2, 2, 1, 3), "windows")])
def test_nothing_to_contrast_is_refused(shape, what):
    with pytest.raises(ValueError, match=f"the number of {what} is 1"):
        multiview_nce(torch.ones(shape))


@pytest.mark.parametrize("name", ["hidden", "width"])
def test_empty_layers_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        CMC(**{name: 0})
