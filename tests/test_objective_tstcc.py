"""TS-TCC equals its equations in loops, and a context knows no step that it foretells."""

import math

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, batch, learner
from tsclr.objectives import TSTCC, cross_view_prediction, nt_xent
from tsclr.objectives.base import represent_steps
from tsclr.objectives.batch import Batch
from tsclr.objectives.tstcc import TokenContext


def reference(predicted, future):
    """Equations 1 and 2 of Eldele et al. 2021 in loops, for every ordered pair of views."""
    V, B, K, _ = predicted.shape
    losses = []
    for v in range(V):
        for u in set(range(V)) - {v}:
            for b in range(B):
                for k in range(K):
                    scores = [math.e ** (predicted[v, b, k] @ future[u, m, k]) for m in range(B)]
                    losses.append(-(scores[b] / sum(scores)).log())
    return sum(losses) / len(losses)


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("n_views", [2, 3])
def test_cross_view_prediction_equals_the_formula_with_its_gradient(n_views):
    both = drawn(n_views, 4, 2, 3), drawn(n_views, 4, 2, 3, seed=1)
    loss, slow = cross_view_prediction(*both), reference(*both)
    assert_same_with_gradient(loss, slow, both)


def test_the_future_of_the_own_view_does_not_count():
    """Each view foretells its own future perfectly, and the other's not at all."""
    z = 100 * torch.eye(8, dtype=torch.float64).view(2, 4, 1, 8)
    assert cross_view_prediction(z, z).item() == pytest.approx(math.log(4))
    assert cross_view_prediction(z, z.flip(0)).item() < 1e-9


def test_one_view_has_no_other():
    with pytest.raises(ValueError, match="the number of views is 1"):
        cross_view_prediction(torch.zeros(1, 4, 2, 3), torch.zeros(1, 4, 2, 3))


def test_terms_are_the_weighted_contrasts_of_contexts_so_far():
    """For every step that can be drawn, by the generator of the batch."""
    encoder, objective = learner(TSTCC)
    given, n_drawn = batch(), set()
    for seed in range(15):
        given.generator.manual_seed(seed)
        terms = objective(encoder, given)
        given.generator.manual_seed(seed)
        z = represent_steps(encoder, given.views).transpose(2, 3)
        n_seen = int(torch.randint(z.shape[2] - objective.horizon, (), generator=given.generator))
        n_seen += 1
        n_drawn.add(n_seen)
        context = objective.context(z[:, :, :n_seen].flatten(0, 1))
        predicted = objective.predictions(context).unflatten(1, (objective.horizon, -1))
        predicted = predicted.unflatten(0, (2, -1))
        future = z[:, :, n_seen : n_seen + objective.horizon]
        embeddings = objective.projector(context).unflatten(0, (2, -1))
        expected = {
            "temporal": reference(predicted, future),
            "contextual": 0.7 * nt_xent(embeddings, objective.temperature),
        }
        torch.testing.assert_close(terms, expected)
    assert n_drawn == {1, 2, 3, 4, 5}


def test_weights_of_the_terms():
    given = batch()
    values = {}
    for weights in [(1.0, 1.0), (3.0, 0.5), (0.0, 0.0)]:
        encoder, objective = learner(TSTCC)
        objective.temporal_weight, objective.contextual_weight = weights
        given.generator.manual_seed(0)
        values[weights] = objective(encoder, given)
    plain = values[1.0, 1.0]
    for (temporal, contextual), terms in values.items():
        torch.testing.assert_close(terms["temporal"], temporal * plain["temporal"])
        torch.testing.assert_close(terms["contextual"], contextual * plain["contextual"])


def test_a_context_equals_attention_written_out():
    """One layer, one head: norm, attention of the token over all, residual, norm, MLP, residual."""
    torch.manual_seed(0)
    context = TokenContext(3, width=4, depth=1, heads=1).double()
    z = drawn(2, 5, 3).detach()
    (layer,) = context.layers
    x = torch.cat([context.token.expand(2, 1, 4), context.embedding(z)], 1)
    normed = layer.norm1(x)
    projected = normed @ layer.self_attn.in_proj_weight.T + layer.self_attn.in_proj_bias
    query, key, value = projected.split(4, 2)
    attention = (query @ key.transpose(1, 2) / 2).softmax(2)
    x = x + layer.self_attn.out_proj(attention @ value)
    x = x + layer.linear2(layer.linear1(layer.norm2(x)).relu())
    torch.testing.assert_close(context(z), x[:, 0])


def test_two_draws_with_the_context_in_training_are_alike():
    context = TokenContext(3, width=8, depth=2, heads=2).train()
    z = torch.randn(4, 5, 3)
    torch.testing.assert_close(context(z), context(z), rtol=0, atol=0)


def test_too_few_steps_are_refused():
    encoder, objective = learner(TSTCC)
    views = [torch.randn(4, 6, 48, dtype=torch.float64)] * 2
    with pytest.raises(ValueError, match="3 steps, too few for horizon = 3"):
        objective(encoder, Batch(views))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        *(({name: 0}, f"{name} is 0") for name in ("horizon", "depth", "heads")),
        *(({name: 0}, f"{name} is 0") for name in ("context_width", "hidden", "width")),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"temporal_weight": -1.0}, "temporal_weight is -1.0, it must be finite and at least 0"),
        ({"contextual_weight": math.inf}, "contextual_weight is inf"),
        ({"context_width": 30}, "context_width is 30, it must be a multiple of heads = 4"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        TSTCC(**setting)
