"""Contrast of windows with steps equals its formulas written out in loops."""

import math
from functools import partial

import pytest
import torch

from tests.support.objectives import C, assert_same_with_gradient, batch, learner
from tsclr.encoders import CNN1d, Concat
from tsclr.objectives import LocalGlobal, local, local_global_nce
from tsclr.objectives.base import represent_both


def reference(z, steps, clip):
    """AMDIM, sections 3.2 and 3.3, in loops: the loss and the mean square of the scores."""
    n_windows, n_steps, width = steps.shape
    raw = {
        (b, m, s): sum(z[b] * steps[m, s]) / width**0.5
        for b in range(n_windows)
        for m in range(n_windows)
        for s in range(n_steps)
    }
    score = {key: clip * (value / clip).tanh() for key, value in raw.items()}
    losses = []
    for b in range(n_windows):
        distractors = sum(value.exp() for (a, m, _), value in score.items() if a == b and m != b)
        for s in range(n_steps):
            own = score[b, b, s].exp()
            losses.append(-(own / (own + distractors)).log())
    return sum(losses) / len(losses), sum(value**2 for value in raw.values()) / len(raw)


def embeddings(n_windows=4, n_steps=3, width=5, scale=3.0):
    generator = torch.Generator().manual_seed(n_steps)
    shapes = [(n_windows, width), (n_windows, n_steps, width)]
    return [
        (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()
        for shape in shapes
    ]


@pytest.mark.parametrize("clip", [0.5, 20.0])
@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("which", [0, 1], ids=["loss", "squares"])
def test_both_numbers_equal_the_formula_with_their_gradient(clip, n_steps, which):
    given = embeddings(n_steps=n_steps)
    value, slow = local_global_nce(*given, clip)[which], reference(*given, clip)[which]
    assert_same_with_gradient(value, slow, given)


def test_other_steps_of_the_same_window_are_no_negatives():
    """Equal steps of a window would cost log 3 if they were; the only other window is far off."""
    z = 30 * torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    loss, _ = local_global_nce(z, z[:, None].expand(2, 3, 2), clip=1e3)
    assert loss < 1e-12


def test_scores_stay_within_the_clip():
    """At worst each positive is at -clip and all six negatives at +clip."""
    z, steps = embeddings(scale=1e4)
    steps = steps.detach() - 1e12 * z.detach()[:, None]
    loss, _ = local_global_nce(z, steps, clip=2.0)
    assert loss <= math.log(1 + 9 * math.exp(4.0)) + 1e-12


def test_order_of_steps_and_of_windows_does_not_matter():
    z, steps = embeddings()
    whole = local_global_nce(z, steps)
    torch.testing.assert_close(local_global_nce(z, steps.flip(1)), whole)
    torch.testing.assert_close(local_global_nce(z.flip(0), steps.flip(0)), whole)


def test_mixed_precision_scores_in_single_precision():
    z, steps = (x.detach().float() for x in embeddings())
    exact = local_global_nce(z.double(), steps.double())
    with torch.autocast("cpu", torch.bfloat16):
        for value, expected in zip(local_global_nce(z, steps), exact, strict=True):
            torch.testing.assert_close(value, expected.float())


def test_every_view_predicts_the_steps_of_every_other():
    encoder, objective = learner(LocalGlobal)
    given = batch(n_views=3)
    h, maps = represent_both(encoder, given.views)
    z = objective.project_windows(h.flatten(0, 1)).view(3, 8, -1)
    steps = objective.project_steps(maps.mT.flatten(0, 2)).view(3, 8, maps.shape[-1], -1)
    pairs = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    found = [local_global_nce(z[v], steps[w], objective.clip) for v, w in pairs]
    losses, squares = zip(*found, strict=True)
    terms = objective(encoder, given)
    torch.testing.assert_close(terms["local_global"], sum(losses) / 6)
    torch.testing.assert_close(terms["penalty"], 0.04 * sum(squares) / 6)


def test_the_steps_of_each_view_are_gathered_once(monkeypatch):
    gathered = []
    monkeypatch.setattr(local, "gather", lambda x: gathered.append(x) or x)
    encoder, objective = learner(LocalGlobal)
    objective(encoder, batch(n_views=4))
    assert len(gathered) == 4


def test_views_pass_through_the_encoder_once_and_are_pooled_as_by_it():
    encoder, _ = learner(LocalGlobal)
    passes, views = [], batch(n_views=3).views
    encoder.layers.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    h, maps = represent_both(encoder, views)
    assert passes == [24]
    encoder.eval()
    h, maps = represent_both(encoder, views)
    torch.testing.assert_close(h[1], encoder(views[1]))
    torch.testing.assert_close(maps[2], encoder.forward_features(views[2]))


def test_an_encoder_made_of_others_is_pooled_as_by_each_of_them():
    encoder = Concat(C, [partial(CNN1d, width=4), partial(CNN1d, width=8, pooling=["last"])])
    encoder.double().eval()
    objective, given = LocalGlobal().build(encoder, 10).double(), batch()
    h, maps = represent_both(encoder, given.views)
    torch.testing.assert_close(h[1], encoder(given.views[1]))
    torch.testing.assert_close(maps[0], encoder.forward_features(given.views[0]))
    assert objective(encoder, given)["local_global"].isfinite()


@pytest.mark.parametrize("clip", [0.0, -1.0, math.inf, math.nan])
def test_impossible_clip_is_refused(clip):
    with pytest.raises(ValueError, match=f"clip is {clip}"):
        LocalGlobal(clip=clip)
    with pytest.raises(ValueError, match=f"clip is {clip}"):
        local_global_nce(*embeddings(), clip)


@pytest.mark.parametrize("penalty", [-0.1, math.inf, math.nan])
def test_impossible_penalty_is_refused(penalty):
    with pytest.raises(ValueError, match=f"penalty_weight is {penalty}"):
        LocalGlobal(penalty_weight=penalty)


@pytest.mark.parametrize("name", ["hidden", "width"])
def test_empty_layers_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        LocalGlobal(**{name: 0})


def test_one_window_is_refused():
    with pytest.raises(ValueError, match="the number of windows is 1"):
        local_global_nce(*embeddings(n_windows=1))
