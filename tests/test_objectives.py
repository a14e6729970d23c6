"""Every objective keeps the contract; NT-Xent equals its formula written out in loops."""

import math

import pytest
import torch
from torch import nn

from tsclr.objectives import NTXent, Objective, nt_xent, projector
from tsclr.specs import from_spec, spec_of, subclasses

B, C, T, D = 8, 6, 50, 16
WINDOW = torch.randn(B, C, T, generator=torch.Generator().manual_seed(0))
OTHER = torch.randn(B, C, T, generator=torch.Generator().manual_seed(1))

every_objective = pytest.mark.parametrize("kind", subclasses(Objective).values())


def encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(C * T, D))


def build(kind):
    torch.manual_seed(0)
    return kind(num_features=D)


def loss_of(objective, network, views):
    return torch.stack(list(objective(network, views).values())).sum()


@every_objective
def test_terms_are_finite_named_scalars(kind):
    terms = build(kind)(encoder(), [WINDOW, OTHER])
    assert terms
    for name, term in terms.items():
        assert isinstance(name, str)
        assert term.shape == ()
        assert term.isfinite()


@every_objective
def test_every_weight_gets_gradient(kind):
    objective, network = build(kind), encoder()
    loss_of(objective, network, [WINDOW, OTHER]).backward()
    weights = dict(objective.named_parameters()) | dict(network.named_parameters())
    still = [
        name
        for name, weight in weights.items()
        if weight.requires_grad and (weight.grad is None or not weight.grad.any())
    ]
    # A bias just before BatchNorm or a difference of embeddings can have no effect on the loss.
    assert [name for name in still if not name.endswith("bias")] == []


@every_objective
def test_every_term_takes_part_in_the_loss(kind):
    """A term that is reported must steer the encoder: it has a gradient of its own."""
    network = encoder()
    for term in build(kind)(network, [WINDOW, OTHER]).values():
        (gradient,) = torch.autograd.grad(term, network[1].weight, retain_graph=True)
        assert gradient.any()


@every_objective
def test_loss_falls_when_views_agree(kind):
    network = encoder()
    agree = loss_of(build(kind), network, [WINDOW, WINDOW + 0.01 * OTHER])
    disagree = loss_of(build(kind), network, [WINDOW, OTHER])
    assert agree < disagree


@every_objective
def test_a_few_steps_lower_the_loss(kind):
    objective, network = build(kind), encoder()
    weights = [w for w in (*objective.parameters(), *network.parameters()) if w.requires_grad]
    losses = []
    for _ in range(15):
        loss = loss_of(objective, network, [WINDOW, WINDOW + 0.1 * OTHER])
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= 0.05 * gradient
        objective.after_step(network)
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@every_objective
def test_order_of_windows_does_not_matter(kind):
    order = torch.randperm(B, generator=torch.Generator().manual_seed(2))
    straight = loss_of(build(kind), encoder(), [WINDOW, OTHER])
    shuffled = loss_of(build(kind), encoder(), [WINDOW[order], OTHER[order]])
    torch.testing.assert_close(straight, shuffled)


@every_objective
def test_order_of_views_does_not_matter(kind):
    straight = loss_of(build(kind), encoder(), [WINDOW, OTHER])
    swapped = loss_of(build(kind), encoder(), [OTHER, WINDOW])
    torch.testing.assert_close(straight, swapped)


@every_objective
def test_pairing_matters(kind):
    views = [WINDOW, WINDOW + 0.1 * OTHER]
    paired = loss_of(build(kind), encoder(), views)
    mispaired = loss_of(build(kind), encoder(), [views[0], views[1].roll(1, dims=0)])
    assert paired < mispaired


@every_objective
def test_constant_and_identical_windows_stay_finite(kind):
    objective, network = build(kind), encoder()
    loss = loss_of(objective, network, [torch.ones(B, C, T)] * 2)
    loss.backward()
    assert loss.isfinite()
    assert all(w.grad.isfinite().all() for w in network.parameters())


@every_objective
def test_spec_round_trip_and_state(kind):
    objective = build(kind)
    again = from_spec(Objective, spec_of(objective))
    again.load_state_dict(objective.state_dict())
    torch.testing.assert_close(
        loss_of(again, encoder(), [WINDOW, OTHER]), loss_of(objective, encoder(), [WINDOW, OTHER])
    )


@every_objective
@pytest.mark.parametrize(
    ("views", "message"),
    [
        ([WINDOW], "got 1"),
        ([WINDOW, WINDOW[:4]], r"\(4, 6, 50\), \(8, 6, 50\)"),
        ([WINDOW, WINDOW[..., :40]], r"\(8, 6, 40\)"),
        ([WINDOW[0], WINDOW[0]], r"\(6, 50\)"),
        ([WINDOW[:1], WINDOW[:1]], "got 1"),
    ],
)
def test_wrong_views_are_refused(kind, views, message):
    with pytest.raises(ValueError, match=message):
        build(kind)(encoder(), views)


@every_objective
def test_wrong_encoder_is_refused(kind):
    with pytest.raises(ValueError, match=r"\(16, 5\).*16"):
        build(kind)(nn.Sequential(nn.Flatten(), nn.Linear(C * T, 5)), [WINDOW, OTHER])
    with pytest.raises(ValueError, match=r"\(16, 6, 50\)"):
        build(kind)(nn.Identity(), [WINDOW, OTHER])


def test_views_pass_through_the_encoder_once():
    batches = []
    network = encoder()
    network.register_forward_pre_hook(lambda module, args: batches.append(args[0].shape))
    build(NTXent)(network, [WINDOW, OTHER, WINDOW])
    assert batches == [(3 * B, C, T)]


def reference(z, temperature):
    """Equation 1 of Chen et al. 2020 in loops, averaged over all ordered positive pairs."""
    V, B, _ = z.shape
    unit = {
        (v, b): z[v, b] / sum(x * x for x in z[v, b]) ** 0.5 for v in range(V) for b in range(B)
    }
    losses = []
    for v, b in unit:
        exponentials = {
            key: math.e ** (sum(unit[v, b] * unit[key]) / temperature)
            for key in unit
            if key != (v, b)
        }
        losses += [
            -(exponentials[w, b] / sum(exponentials.values())).log() for w in range(V) if w != v
        ]
    return sum(losses) / len(losses)


def embeddings(n_views, n_windows=4, width=3):
    generator = torch.Generator().manual_seed(n_views)
    shape = (n_views, n_windows, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_equals_the_formula_with_its_gradient(n_views, temperature):
    z = embeddings(n_views)
    loss, slow = nt_xent(z, temperature), reference(z, temperature)
    torch.testing.assert_close(loss, slow, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(loss, z), torch.autograd.grad(slow, z), rtol=1e-9, atol=1e-12
    )


def test_gradient_equals_finite_differences():
    assert torch.autograd.gradcheck(nt_xent, (embeddings(2), 0.5))


def test_no_sample_is_its_own_negative():
    """Orthogonal embeddings: with itself in the denominator, exp(1 / 0.02) would drown all."""
    loss = nt_xent(torch.eye(4, dtype=torch.float64).view(2, 2, 4), temperature=0.02)
    assert loss.item() == pytest.approx(math.log(3), rel=1e-12)


def test_length_of_an_embedding_does_not_matter():
    z = embeddings(2)
    torch.testing.assert_close(nt_xent(z), nt_xent(z * 1e3))


def test_small_temperature_stays_finite_in_float32():
    z = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
    assert nt_xent(z, temperature=1e-3).isfinite()


def test_ntxent_scores_what_its_projector_gives():
    objective, network = build(NTXent), encoder()
    z = objective.projector(network(torch.cat([WINDOW, OTHER])))
    terms = objective(network, [WINDOW, OTHER])
    torch.testing.assert_close(terms["nt_xent"], nt_xent(z.view(2, B, -1), objective.temperature))


def test_projector_has_the_asked_sizes():
    head = projector(D, hidden=12, width=5)
    assert [tuple(layer.weight.shape) for layer in head if hasattr(layer, "weight")] == [
        (12, D),
        (12,),
        (5, 12),
    ]


@pytest.mark.parametrize("temperature", [0.0, -0.2, math.inf, math.nan])
def test_impossible_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        NTXent(D, temperature=temperature)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        nt_xent(embeddings(2), temperature)


@pytest.mark.parametrize("shape", [(1, 4, 3), (2, 1, 3)])
def test_nothing_to_contrast_is_refused(shape):
    with pytest.raises(ValueError, match=f"{shape[0]} views of {shape[1]} windows"):
        nt_xent(torch.ones(shape))


@pytest.mark.parametrize("name", ["num_features", "hidden", "width"])
def test_empty_layers_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        NTXent(**{"num_features": D, name: 0})
