"""Hidden spans: how they are drawn, that nothing of them reaches the encoder, and their error."""

import math
from collections import Counter

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, learner, windows
from tsclr.encoders import CNN1d, ResNet1d, Statistics, Transformer
from tsclr.objectives import MaskedReconstruction, hide, reconstruction_error, span_mask
from tsclr.objectives import masked as module
from tsclr.objectives.batch import Batch


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def lengths_of_runs(mask):
    """How long the stretches of hidden samples are."""
    text = "".join("#" if hidden else " " for hidden in mask.tolist())
    return [len(run) for run in text.split()]


@pytest.mark.parametrize(
    ("length", "ratio", "span", "n_spans"),
    [(128, 0.15, 10, 2), (128, 0.5, 16, 4), (128, 0.01, 5, 1), (20, 0.99, 3, 6), (7, 0.3, 1, 2)],
)
def test_every_window_hides_so_many_spans_of_that_length(length, ratio, span, n_spans):
    mask = span_mask(300, length, ratio, span, seeded())
    assert mask.shape == (300, length)
    assert (mask.sum(1) == n_spans * span).all()
    for window in mask:
        assert all(run % span == 0 for run in lengths_of_runs(window))


def test_every_placement_is_equally_likely():
    """Two spans of two among six samples: six placements, all of which can be counted."""
    drawn = span_mask(12_000, 6, ratio=0.6, span=2, generator=seeded())
    counts = Counter(tuple(window.nonzero()[:, 0].tolist()) for window in drawn)
    placements = [(a, a + 1, b, b + 1) for a in range(5) for b in range(a + 2, 5)]
    assert sorted(counts) == placements
    # six standard deviations of a binomial count
    assert all(abs(n - 2000) < 6 * math.sqrt(2000 * 5 / 6) for n in counts.values())


def test_a_seed_repeats_the_mask():
    assert torch.equal(span_mask(9, 50, generator=seeded(3)), span_mask(9, 50, generator=seeded(3)))
    assert not torch.equal(
        span_mask(9, 50, generator=seeded(3)), span_mask(9, 50, generator=seeded(4))
    )


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.1, math.nan])
def test_impossible_ratio_is_refused(ratio):
    with pytest.raises(ValueError, match=f"ratio is {ratio}, it must lie between 0 and 1"):
        MaskedReconstruction(ratio=ratio)
    with pytest.raises(ValueError, match=f"ratio is {ratio}"):
        span_mask(2, 128, ratio=ratio)


@pytest.mark.parametrize("name", ["span", "patch", "hidden"])
def test_empty_sizes_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        MaskedReconstruction(**{name: 0})


@pytest.mark.parametrize("length", [9, 10])
def test_window_that_a_span_would_hide_is_refused(length):
    with pytest.raises(ValueError, match=f"span is 10 and windows have {length} samples"):
        span_mask(2, length, span=10)


def test_hidden_samples_become_the_mean_of_the_visible_ones():
    x, mask = windows(4, length=30), span_mask(4, 30, span=4, generator=seeded())
    hidden = hide(x, mask)
    for n in range(4):
        for c in range(x.shape[1]):
            visible = [float(x[n, c, t]) for t in range(30) if not mask[n, t]]
            for t in range(30):
                expected = sum(visible) / len(visible) if mask[n, t] else float(x[n, c, t])
                assert hidden[n, c, t].item() == pytest.approx(expected, rel=1e-12)


def test_error_equals_the_formula_with_its_gradient():
    x, mask = windows(3, length=20), span_mask(3, 20, span=3, generator=seeded())
    predicted = windows(3, seed=1, length=20).requires_grad_()
    squares = [
        (predicted[n, c, t] - x[n, c, t]) ** 2
        for n, t in mask.nonzero().tolist()
        for c in range(x.shape[1])
    ]
    loss, slow = reconstruction_error(predicted, x, mask), sum(squares) / len(squares)
    assert_same_with_gradient(loss, slow, predicted)


@pytest.fixture
def seen(monkeypatch):
    """What the encoder was shown."""
    shown = []
    forward_features = CNN1d.forward_features

    def watched(self, x):
        shown.append(x)
        return forward_features(self, x)

    monkeypatch.setattr(CNN1d, "forward_features", watched)
    return shown


@pytest.mark.parametrize("length", [128, 100])
def test_the_loss_is_that_of_what_the_decoder_makes_of_hidden_windows(seen, length):
    encoder, objective = learner(MaskedReconstruction)
    encoder.input_scale.copy_(torch.tensor([1, 1, 1, 2, 2, 2]))
    views = [windows(4, seed, length) for seed in (0, 1)]
    loss = objective(encoder, Batch(views, generator=seeded(5)))["reconstruction"]
    generator = seeded(5)
    mask = torch.cat([span_mask(4, length, generator=generator) for _ in views])
    x = torch.cat(views)
    torch.testing.assert_close(seen, [hide(x, mask)])
    with torch.no_grad():
        made = objective.decoder(encoder.forward_features(hide(x, mask)))  # a patch for each step
    squares = [
        (made[n, c * 16 + t % 16, t // 16] - x[n, c, t] / scale) ** 2
        for n, t in mask.nonzero().tolist()
        for c, scale in enumerate(encoder.input_scale.tolist())
    ]
    torch.testing.assert_close(loss, sum(squares) / len(squares), rtol=1e-9, atol=1e-12)


def test_nothing_of_a_hidden_sample_reaches_the_encoder(seen):
    encoder, objective = learner(MaskedReconstruction)
    x = windows()
    mask = span_mask(len(x), x.shape[2], generator=seeded())
    first = objective(encoder, Batch([x], generator=seeded()))["reconstruction"]
    changed = x + 7 * mask[:, None]
    second = objective(encoder, Batch([changed], generator=seeded()))["reconstruction"]
    torch.testing.assert_close(seen[1], seen[0], rtol=0, atol=0)
    assert second > first


@pytest.mark.parametrize("length", [8, 12, 20, 33])
def test_patches_that_hold_the_samples_of_a_window_give_it_back(length):
    """Vectors that are the samples of a patch, channel after channel, are put in their places."""
    _, objective = learner(MaskedReconstruction)
    objective.patch, objective.decoder = 4, torch.nn.Identity()
    x = windows(3, length=36)
    n_patches = -(-length // 4)
    patches = torch.stack([x[:, :, 4 * s : 4 * s + 4].flatten(1) for s in range(n_patches)], dim=2)
    assert torch.equal(objective._decode(patches, 6, length), x[..., :length])


def test_steps_are_read_at_the_middle_of_each_patch():
    """Eight steps for four patches: each is the mean of the two steps that lie in it."""
    _, objective = learner(MaskedReconstruction)
    objective.patch, objective.decoder = 1, torch.nn.Identity()
    features = torch.randn(2, 6, 8, dtype=torch.float64, generator=seeded())
    torch.testing.assert_close(
        objective._decode(features, 6, 4), features.unflatten(2, (4, 2)).mean(3)
    )


@pytest.mark.parametrize("kind", [CNN1d, ResNet1d, Transformer, Statistics])
@pytest.mark.parametrize("length", [20, 100, 131])
def test_any_encoder_and_any_length_will_do(kind, length):
    encoder = kind(6)
    objective = MaskedReconstruction().build(encoder, 100)
    loss = objective(encoder, Batch([windows(4, length=length).float()]))["reconstruction"]
    loss.backward()
    assert loss.isfinite()
    assert all(weight.grad.isfinite().all() for weight in objective.parameters())


def test_a_sensor_with_large_numbers_does_not_count_for_more():
    losses = []
    for factor in (1.0, 1000.0):
        encoder, objective = learner(MaskedReconstruction)
        x = windows()
        x[:, 3:] *= factor
        encoder.input_scale[3:] = factor
        losses.append(objective(encoder, Batch([x], generator=seeded()))["reconstruction"])
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-9, atol=1e-12)


def test_every_view_counts_alike():
    encoder, objective = learner(MaskedReconstruction)
    encoder.eval()
    views, generator = [windows(seed=seed) for seed in range(3)], seeded()
    alone = [objective(encoder, Batch([x], generator=generator))["reconstruction"] for x in views]
    all_of_them = objective(encoder, Batch(views, generator=seeded()))["reconstruction"]
    torch.testing.assert_close(all_of_them, sum(alone) / 3)


def test_order_of_windows_does_not_matter(monkeypatch):
    """Each window takes its mask along."""
    x, order = windows(), torch.randperm(8, generator=seeded(2))
    mask = span_mask(8, x.shape[2], generator=seeded())
    losses = []
    for rows in (torch.arange(8), order):
        monkeypatch.setattr(module, "span_mask", lambda *_, rows=rows: mask[rows])
        encoder, objective = learner(MaskedReconstruction)
        losses.append(objective(encoder, Batch([x[rows]]))["reconstruction"])
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-9, atol=1e-12)


def test_the_error_is_taken_in_single_precision_under_mixed_precision():
    encoder, objective = learner(MaskedReconstruction)
    encoder.float(), objective.float()
    x = windows().float()
    exact = objective(encoder, Batch([x], generator=seeded()))["reconstruction"]
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective(encoder, Batch([x], generator=seeded()))["reconstruction"]
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=2e-2, atol=0)


@pytest.mark.slow
def test_after_a_short_training_it_beats_the_mean_of_the_window():
    torch.manual_seed(0)
    encoder = CNN1d(6, width=16)
    objective = MaskedReconstruction(span=5).build(encoder, 100)
    optimizer = torch.optim.Adam([*encoder.parameters(), *objective.parameters()], lr=1e-2)
    generator = seeded(1)
    for step in range(80):
        given = Batch([windows(32, step + 1, length=64).float()], generator=generator)
        optimizer.zero_grad()
        objective(encoder, given)["reconstruction"].backward()
        optimizer.step()
    encoder.eval()
    x = windows(256, length=64).float()  # no step has seen them
    mask = span_mask(256, x.shape[2], span=5, generator=seeded())
    with torch.no_grad():
        learned = objective(encoder, Batch([x], generator=seeded()))["reconstruction"]
    assert learned < 0.75 * reconstruction_error(hide(x, mask), x, mask)
