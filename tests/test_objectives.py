"""Every objective keeps the contract, as its shipped config builds it."""

import copy
import dataclasses
import json

import pytest
import torch

from tests.support.objectives import (
    KINDS,
    N_WINDOWS,
    batch,
    in_single_precision,
    learner,
    loss_of,
    parsed,
    train,
    weights_of,
    windows,
)
from tsclr.objectives.batch import Batch
from tsclr.specs import spec_of

every_objective = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


@every_objective
def test_it_is_pretrained_by_its_name_alone_or_with_a_preset_of_that_name(kind):
    assert type(parsed(kind).objective) is kind


@every_objective
def test_terms_are_finite_named_scalars(kind):
    terms = learner_terms(kind)
    assert terms
    for name, term in terms.items():
        assert isinstance(name, str)
        assert term.shape == ()
        assert term.isfinite()


def learner_terms(kind):
    encoder, objective = learner(kind)
    return objective(encoder, batch(max(2, kind.n_views)))


@every_objective
def test_it_runs_in_single_precision(kind):
    encoder, objective = (each.float() for each in learner(kind))
    given = in_single_precision(batch(max(2, kind.n_views)))
    assert loss_of(encoder, objective, given).isfinite()


@every_objective
def test_under_mixed_precision_its_terms_are_in_single_precision(kind):
    encoder, objective = (each.float() for each in learner(kind))
    given = in_single_precision(batch(max(2, kind.n_views)))
    with torch.autocast("cpu", torch.bfloat16):
        terms = objective(encoder, given)
    assert all(term.dtype == torch.float32 for term in terms.values())
    sum(terms.values()).backward()
    for name, weight in weights_of(encoder, objective).items():
        assert weight.grad is None or weight.grad.isfinite().all(), name


@every_objective
def test_every_weight_gets_gradient_and_no_target_does(kind):
    encoder, objective = learner(kind)
    train(encoder, objective, steps=2)  # queues and copies then hold something
    given = batch(max(2, kind.n_views))
    for weight in weights_of(encoder, objective).values():
        weight.grad = None
    loss_of(encoder, objective, given).backward()
    still = [
        name
        for name, weight in weights_of(encoder, objective).items()
        if weight.grad is None or not weight.grad.any()
    ]
    # A bias just before BatchNorm or a difference of embeddings can have no effect on the loss.
    assert [name for name in still if not name.endswith("bias")] == []
    assert all(weight.grad is None for weight in objective.parameters() if not weight.requires_grad)


@every_objective
def test_every_term_steers_the_encoder(kind):
    """A term that is reported has a gradient of its own."""
    encoder, objective = learner(kind)
    train(encoder, objective, steps=1)
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    for name, term in objective(encoder, batch(max(2, kind.n_views))).items():
        gradients = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
        assert any(each is not None and each.any() for each in gradients), name


@every_objective
def test_training_lowers_the_loss_and_tells_pairs_apart(kind):
    """Below that of the first weights on what is remembered by then, such as a queue."""
    encoder, objective = (each.float() for each in learner(kind))
    first = copy.deepcopy(weights_of(encoder, objective))
    train(encoder, objective, steps=40, rate=2e-3)
    given = in_single_precision(batch(max(2, kind.n_views)))
    trained = loss_of(encoder, objective, restarted(given))
    if kind.n_views > 1:
        encoder.eval(), objective.eval()
        mixed = [given.views[0], *(view.roll(3, dims=0) for view in given.views[1:])]
        mispaired = dataclasses.replace(given, views=mixed)
        with torch.no_grad():
            paired = loss_of(encoder, objective, restarted(given))
            assert paired < loss_of(encoder, objective, restarted(mispaired))
        encoder.train(), objective.train()
    with torch.no_grad():
        for name, weight in weights_of(encoder, objective).items():
            weight.copy_(first[name])
    assert trained < loss_of(encoder, objective, restarted(given))


def restarted(given):
    """The batch with its draws from the start."""
    return dataclasses.replace(given, generator=torch.Generator().manual_seed(0))


@every_objective
def test_order_of_windows_does_not_matter(kind):
    given = batch(max(2, kind.n_views))
    before = given.generator.get_state()
    encoder, objective = learner(kind)
    straight = loss_of(encoder, objective, given)
    if not torch.equal(given.generator.get_state(), before):
        pytest.skip("draws for each window in turn; its own tests hold the draws fixed")
    order = torch.randperm(len(given), generator=torch.Generator().manual_seed(2))
    of_views = {
        name: getattr(given, name)[:, order] for name in ("windows", "starts", "recordings")
    }
    shuffled = dataclasses.replace(
        given, views=[view[order] for view in given.views], labels=given.labels[order], **of_views
    )
    torch.testing.assert_close(loss_of(*learner(kind), shuffled), straight, rtol=1e-9, atol=1e-12)


@every_objective
def test_only_the_generator_of_the_batch_is_drawn_from(kind):
    losses = []
    for seed in (1, 2):
        encoder, objective = learner(kind)
        torch.manual_seed(seed)
        losses.append(loss_of(encoder, objective, batch(max(2, kind.n_views))).item())
    assert losses[0] == losses[1]


@every_objective
def test_a_forward_pass_changes_no_weight_and_in_evaluation_no_buffer(kind):
    encoder, objective = learner(kind)
    encoder.eval(), objective.eval()
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    with torch.no_grad():
        loss_of(encoder, objective, batch(max(2, kind.n_views)))
    for name, value in objective.state_dict().items():
        assert torch.equal(value, before[name]), name


@every_objective
def test_constant_and_identical_windows_stay_finite(kind):
    encoder, objective = learner(kind)
    given = batch(max(2, kind.n_views))
    flat = dataclasses.replace(given, views=[torch.ones_like(view) for view in given.views])
    loss = loss_of(encoder, objective, flat)
    loss.backward()
    assert loss.isfinite()
    for name, weight in weights_of(encoder, objective).items():
        assert weight.grad is None or weight.grad.isfinite().all(), name


@every_objective
def test_state_survives_saving(kind):
    encoder, objective = learner(kind)
    train(encoder, objective, steps=2)
    _, again = learner(kind, seed=1)
    again.load_state_dict(objective.state_dict())
    given = batch(max(2, kind.n_views))
    expected = loss_of(encoder, objective, given)
    torch.testing.assert_close(loss_of(encoder, again, batch(max(2, kind.n_views))), expected)


@every_objective
def test_settings_are_plain_data(kind):
    _, objective = learner(kind)
    described = spec_of(objective)
    assert described["class"] == kind.__name__
    assert json.loads(json.dumps(described)) == described


@every_objective
def test_building_again_starts_anew_with_the_same_settings(kind):
    encoder, objective = learner(kind)
    described = spec_of(objective)
    objective.build(encoder, N_WINDOWS)
    assert spec_of(objective) == described


@every_objective
def test_without_build_it_says_so(kind):
    encoder, objective = learner(kind)
    objective.built = False
    with pytest.raises(RuntimeError, match="call its build"):
        objective(encoder, batch(max(2, kind.n_views)))


@every_objective
@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda x: [x, x[:4]], r"\(4, 6, 128\), \(8, 6, 128\)"),
        (lambda x: [x, x[..., :40]], r"\(8, 6, 40\)"),
        (lambda x: [x[0], x[0]], r"\(6, 128\)"),
        (lambda x: [x[:1], x[:1]], "got 1"),
        (lambda x: [], "got 0"),
    ],
)
def test_wrong_views_are_refused(kind, cut, message):
    views = cut(windows())
    if views and kind.n_views > 2:
        views += views[1:] * (kind.n_views - 2)
    encoder, objective = learner(kind)
    with pytest.raises(ValueError, match=message):
        objective(encoder, Batch(views))
