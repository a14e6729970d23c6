"""Contrast within the batch equals its formulas written out in loops."""

import dataclasses
import math

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, batch, learner
from tsclr.objectives import DCL, NTXent, SupCon, dcl, nt_xent, sup_con
from tsclr.objectives.base import represent
from tsclr.objectives.blocks import projector
from tsclr.objectives.infonce import log_sum_exp, unit

LABELS = torch.tensor([0, -1, 0, 2, -1])


def similarities(z, temperature):
    """Scaled cosine of every view with every other, by pairs of (view, window)."""
    V, B, _ = z.shape
    unit = {
        (v, b): z[v, b] / sum(x * x for x in z[v, b]) ** 0.5 for v in range(V) for b in range(B)
    }
    return {i: {k: sum(unit[i] * unit[k]) / temperature for k in unit if k != i} for i in unit}


def cross_entropy(similarity, positives):
    """Mean over positives of -log of their share among all."""
    total = sum(math.e**value for value in similarity.values())
    return -sum((math.e ** similarity[p] / total).log() for p in positives) / len(positives)


def slow_nt_xent(z, temperature):
    """Equation 1 of Chen et al. 2020 in loops, averaged over all ordered positive pairs."""
    losses = [
        cross_entropy(similarity, [k for k in similarity if k[1] == b])
        for (_, b), similarity in similarities(z, temperature).items()
    ]
    return sum(losses) / len(losses)


def slow_sup_con(z, temperature):
    """Equation 2 of Khosla et al. 2020 in loops, averaged over the anchors."""
    losses = []
    for (_, b), similarity in similarities(z, temperature).items():
        of_class = {m for m, label in enumerate(LABELS) if label == LABELS[b] >= 0} | {b}
        losses.append(cross_entropy(similarity, [k for k in similarity if k[1] in of_class]))
    return sum(losses) / len(losses)


def slow_dcl(z, temperature):
    """Equation 6 of Yeh et al. 2022 in loops, averaged over all ordered positive pairs."""
    losses = []
    for (_, b), similarity in similarities(z, temperature).items():
        negatives = sum(math.e**value for k, value in similarity.items() if k[1] != b)
        losses += [negatives.log() - value for k, value in similarity.items() if k[1] == b]
    return sum(losses) / len(losses)


def fast_sup_con(z, temperature=0.1):
    return sup_con(z, LABELS, temperature)


every_loss = pytest.mark.parametrize(
    ("loss", "slow"),
    [(nt_xent, slow_nt_xent), (dcl, slow_dcl), (fast_sup_con, slow_sup_con)],
    ids=["nt_xent", "dcl", "sup_con"],
)


def embeddings(n_views, n_windows=5, width=3):
    generator = torch.Generator().manual_seed(n_views)
    shape = (n_views, n_windows, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@every_loss
@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_the_loss_equals_the_formula_with_its_gradient(loss, slow, n_views, temperature):
    z = embeddings(n_views)
    fast, slow = loss(z, temperature), slow(z, temperature)
    assert_same_with_gradient(fast, slow, z)


@every_loss
def test_gradient_equals_finite_differences(loss, slow):
    assert torch.autograd.gradcheck(loss, (embeddings(2), 0.5))


def test_blocks_of_rows_make_no_difference(monkeypatch):
    z, excluded = embeddings(2, 5), torch.arange(5)[:, None]
    whole = log_sum_exp(z[0], z[1], excluded)
    gradients = torch.autograd.grad(whole.square().sum(), z)
    monkeypatch.setattr("tsclr.objectives.infonce.BLOCK", 10)
    parts = log_sum_exp(z[0], z[1], excluded)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts.square().sum(), z), gradients)


def test_the_gradient_may_be_taken_under_mixed_precision():
    z, excluded = embeddings(2).detach().float().requires_grad_(), torch.arange(5)[:, None]
    expected = torch.autograd.grad(log_sum_exp(z[0], z[1], excluded).sum(), z)
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(log_sum_exp(z[0], z[1], excluded).sum(), z)
    torch.testing.assert_close(found, expected)


@every_loss
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_mixed_precision_sums_in_single_precision(loss, slow, kind):
    z = embeddings(2).detach().to(kind)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(z, 0.2), loss(z.double(), 0.2).float())


def test_no_sample_is_its_own_negative():
    """Orthogonal embeddings: with itself in the denominator, exp(1 / 0.02) would drown all."""
    loss = nt_xent(torch.eye(4, dtype=torch.float64).view(2, 2, 4), temperature=0.02)
    assert loss.item() == pytest.approx(math.log(3), rel=1e-12)


def test_no_view_of_a_window_is_its_negative_when_decoupled():
    """Orthogonal embeddings: no other window is similar, however many views there are."""
    z = torch.eye(2, dtype=torch.float64).expand(4, 2, 2)
    assert dcl(z, temperature=0.1).item() == pytest.approx(math.log(4) - 10, rel=1e-12)


def test_decoupling_takes_the_positive_from_the_denominator():
    z = embeddings(2)
    kept = (nt_xent(z[:, [b, m]], 0.5) for b in range(5) for m in range(b))
    decoupled = (dcl(z[:, [b, m]], 0.5) for b in range(5) for m in range(b))
    assert all(one > other for one, other in zip(kept, decoupled, strict=True))


def test_without_labels_supervised_contrast_is_nt_xent():
    z, none = embeddings(3), torch.full((5,), -1)
    torch.testing.assert_close(sup_con(z, none, 0.3), nt_xent(z, 0.3))
    torch.testing.assert_close(sup_con(z, torch.arange(5), 0.3), nt_xent(z, 0.3))


def test_windows_without_a_label_are_no_class():
    """With one class for both, windows in opposite directions would cost more."""
    z = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]).expand(2, 2, 2)
    assert sup_con(z, torch.tensor([-1, -1])) < sup_con(z, torch.tensor([0, 0]))


def test_names_of_classes_do_not_matter():
    z = embeddings(2)
    renamed = LABELS.where(LABELS != 0, 1000)
    torch.testing.assert_close(sup_con(z, renamed), sup_con(z, LABELS))


@every_loss
def test_length_of_an_embedding_does_not_matter(loss, slow):
    z = embeddings(2)
    torch.testing.assert_close(loss(z), loss(z * 1e3))


@every_loss
def test_order_of_views_does_not_matter(loss, slow):
    z = embeddings(3)
    torch.testing.assert_close(loss(z), loss(z.flip(0)))


@every_loss
def test_small_temperature_stays_finite_in_float32(loss, slow):
    z = embeddings(2, width=8).detach().float()
    assert loss(z, 1e-3).isfinite()


@pytest.mark.parametrize(
    ("kind", "loss"),
    [(NTXent, nt_xent), (DCL, dcl), (SupCon, lambda z, t: sup_con(z, batch().labels, t))],
)
def test_the_objective_scores_what_its_projector_gives(kind, loss):
    encoder, objective = learner(kind)
    given = batch()
    z = objective.projector(represent(encoder, given.views).flatten(0, 1)).unflatten(0, (2, -1))
    (term,) = objective(encoder, given).values()
    torch.testing.assert_close(term, loss(z, objective.temperature))


def test_supervised_contrast_without_labels_is_refused():
    encoder, objective = learner(SupCon)
    with pytest.raises(ValueError, match="SupCon needs the labels of the batch"):
        objective(encoder, dataclasses.replace(batch(), labels=None))


def test_only_supervised_contrast_reads_labels():
    encoder, objective = learner(DCL)
    with_labels, without = batch(), dataclasses.replace(batch(), labels=None)
    torch.testing.assert_close(objective(encoder, with_labels), objective(encoder, without))
    assert [kind.reads_labels for kind in (NTXent, DCL, SupCon)] == [False, False, True]


def test_an_embedding_of_length_zero_stays_finite():
    assert unit(torch.zeros(2, 3)).eq(0).all()


def test_views_pass_through_the_encoder_once():
    encoder, objective = learner(NTXent)
    passes = []
    encoder.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    objective(encoder, batch(n_views=3, n=8))
    assert passes == [24]


def test_projector_has_the_asked_sizes():
    head = projector(16, hidden=12, width=5)
    sizes = [tuple(layer.weight.shape) for layer in head if hasattr(layer, "weight")]
    assert sizes == [(12, 16), (12,), (5, 12)]


@pytest.mark.parametrize("temperature", [0.0, -0.2, math.inf, math.nan])
@pytest.mark.parametrize(("kind", "loss"), [(NTXent, nt_xent), (DCL, dcl), (SupCon, fast_sup_con)])
def test_impossible_temperature_is_refused(kind, loss, temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        kind(temperature=temperature)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        loss(embeddings(2), temperature)


@pytest.mark.parametrize(
    "loss", [nt_xent, dcl, lambda z: sup_con(z, torch.zeros(z.shape[1]).long())]
)
@pytest.mark.parametrize(("shape", "what"), [((1, 4, 3), "views"), ((2, 1, 3), "windows")])
def test_nothing_to_contrast_is_refused(loss, shape, what):
    with pytest.raises(ValueError, match=f"the number of {what} is 1"):
        loss(torch.ones(shape))


@pytest.mark.parametrize("kind", [NTXent, DCL, SupCon])
@pytest.mark.parametrize("name", ["hidden", "width"])
def test_empty_layers_are_refused(kind, name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        kind(**{name: 0})
