"""Instance discrimination equals its equations written out in loops; its bank follows the steps."""

import dataclasses
import math

import pytest
import torch
from torch.nn.functional import normalize

from tests.support.objectives import (
    N_WINDOWS,
    B,
    assert_same_with_gradient,
    batch,
    learner,
    loss_of,
)
from tsclr.objectives import InstanceDiscrimination, instance_nce, log_partition
from tsclr.objectives.base import represent

TEMPERATURE, N = 0.3, 20


def random(n_rows, width=3):
    generator = torch.Generator().manual_seed(n_rows)
    z = torch.randn(n_rows, width, generator=generator, dtype=torch.float64)
    return normalize(z, dim=1).requires_grad_()


def reference(z, own, noise, Z):
    """Equations 4, 6 and 7 of Wu et al. 2018 in loops."""
    m, losses = len(noise), []

    def is_data(v, f):
        p = math.e ** (sum(v * f) / TEMPERATURE) / Z
        return p / (p + m / N)

    for f, v in zip(z, own, strict=True):
        of_noise = sum((1 - is_data(row, f)).log() for row in noise)
        losses.append(-is_data(v, f).log() - of_noise)
    return sum(losses) / len(losses)


def test_the_loss_equals_the_formula_with_its_gradient():
    given, Z = (random(4), random(5)[:4], random(7)), torch.tensor(30.0, dtype=torch.float64)
    loss = instance_nce(*given, Z.log(), N, TEMPERATURE)
    slow = reference(*given, Z)
    assert_same_with_gradient(loss, slow, given[::2])


def test_the_normaliser_equals_the_formula():
    z, noise = random(4), random(7)
    slow = [N / 7 * sum(math.e ** (sum(v * f) / TEMPERATURE) for v in noise) for f in z]
    torch.testing.assert_close(log_partition(z, noise, N, TEMPERATURE).exp(), torch.stack(slow))


def test_much_noise_gives_the_gradient_of_the_softmax_over_all_windows():
    """What noise-contrastive estimation is for; Z is then the exact sum over the bank."""
    bank, z = random(N).detach(), random(1)
    exact = log_partition(z, bank, N, TEMPERATURE)
    log_z = exact.detach()[0]
    noise = bank.repeat(5000, 1)
    softmax = torch.autograd.grad((exact - (z * bank[:1]).sum(1) / TEMPERATURE).sum(), z)
    estimate = torch.autograd.grad(instance_nce(z, bank[:1], noise, log_z, N, TEMPERATURE), z)
    torch.testing.assert_close(estimate, softmax, rtol=1e-3, atol=1e-3)


def test_mixed_precision_multiplies_in_single_precision():
    z, noise, log_z = random(4).float(), random(7).float(), torch.tensor(3.0)
    expected = instance_nce(z, z, noise, log_z, N)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(instance_nce(z, z, noise, log_z, N), expected)


def drawn(objective, seed=0):
    """Rows of the bank that a batch draws as noise."""
    generator = torch.Generator().manual_seed(seed)
    return objective.bank[torch.randint(N_WINDOWS, (objective.n_noise,), generator=generator)]


def embed(encoder, objective, given):
    h = represent(encoder, given.views)
    return normalize(objective.head(h.flatten(0, 1)), dim=1)


def test_terms_are_the_loss_against_the_bank_and_the_distance_to_it():
    encoder, objective = learner(InstanceDiscrimination)
    given = batch()
    z, noise = embed(encoder, objective, given), drawn(objective)
    own = objective.bank[given.windows.flatten()]
    terms = objective(encoder, given)
    temperature = objective.temperature
    expected = instance_nce(z, own, noise, objective.log_z, N_WINDOWS, temperature)
    torch.testing.assert_close(terms["instance_nce"], expected)
    distance = sum(((f - v) ** 2).sum() for f, v in zip(z, own, strict=True)) / len(z)
    torch.testing.assert_close(terms["proximal"], objective.proximal_weight * distance)


def test_the_normaliser_is_the_mean_over_the_first_batch_and_stays():
    encoder, objective = learner(InstanceDiscrimination)
    given = batch()
    z, noise = embed(encoder, objective, given), drawn(objective)
    loss_of(encoder, objective, given)
    mean = log_partition(z, noise, N_WINDOWS, objective.temperature).exp().mean()
    torch.testing.assert_close(objective.log_z.exp(), mean)
    before = objective.log_z.clone()
    loss_of(encoder, objective, batch(seed=1))
    assert torch.equal(objective.log_z, before)


def test_evaluation_before_training_sets_no_normaliser_and_no_row_waits():
    encoder, objective = learner(InstanceDiscrimination)
    bank = objective.bank.clone()
    objective.eval()
    assert loss_of(encoder, objective, batch()).isfinite()
    objective.after_step(encoder)
    assert objective.log_z.isinf()
    assert torch.equal(objective.bank, bank)


def test_after_a_step_the_rows_of_its_windows_have_moved_and_no_others():
    encoder, objective = learner(InstanceDiscrimination)
    objective.momentum = 0.7
    given, bank = batch(), objective.bank.clone()
    z = embed(encoder, objective, given)
    loss_of(encoder, objective, given)
    assert torch.equal(objective.bank, bank)
    objective.after_step(encoder)
    expected = bank.clone()
    for window, f in zip(given.windows.flatten(), z, strict=True):
        mixed = 0.7 * bank[window] + 0.3 * f
        expected[window] = mixed / (mixed @ mixed).sqrt()
    assert len(given.windows.unique()) == 2 * B
    torch.testing.assert_close(objective.bank, expected)


def test_a_window_seen_in_both_views_moves_to_their_mean():
    encoder, objective = learner(InstanceDiscrimination)
    objective.momentum = 0.0
    given = batch()
    given = dataclasses.replace(given, windows=given.windows[:1].expand(2, -1))
    z = embed(encoder, objective, given).unflatten(0, (2, -1))
    loss_of(encoder, objective, given)
    objective.after_step(encoder)
    rows = objective.bank[given.windows[0]]
    torch.testing.assert_close(rows, normalize(z.mean(0), dim=1))


def test_batches_before_a_step_are_all_remembered_once():
    encoder, objective = learner(InstanceDiscrimination)
    bank = objective.bank.clone()
    for low in (0, 32):
        given = batch()
        loss_of(encoder, objective, dataclasses.replace(given, windows=given.windows % 32 + low))
    objective.after_step(encoder)
    moved = (objective.bank != bank).any(1)
    assert moved[:32].any()
    assert torch.equal(moved[:32], moved[32:])
    bank = objective.bank.clone()
    objective.after_step(encoder)
    assert torch.equal(objective.bank, bank)


def test_rows_have_unit_length_from_the_start():
    encoder, objective = learner(InstanceDiscrimination)
    assert objective.bank.shape == (N_WINDOWS, objective.width)
    for _ in range(2):
        torch.testing.assert_close(objective.bank.norm(dim=1), torch.ones(N_WINDOWS).double())
        loss_of(encoder, objective, batch())
        objective.after_step(encoder)


def test_order_of_windows_does_not_matter_for_the_same_noise():
    given, order = batch(), torch.randperm(B, generator=torch.Generator().manual_seed(2))
    views = [view[order] for view in given.views]
    shuffled = dataclasses.replace(batch(), views=views, windows=given.windows[:, order])
    (encoder, one), (_, other) = (learner(InstanceDiscrimination) for _ in range(2))
    torch.testing.assert_close(loss_of(encoder, one, given), loss_of(encoder, other, shuffled))
    one.after_step(encoder), other.after_step(encoder)
    torch.testing.assert_close(one.bank, other.bank)


def test_windows_without_numbers_are_refused():
    encoder, objective = learner(InstanceDiscrimination)
    with pytest.raises(ValueError, match="InstanceDiscrimination needs the windows of the batch"):
        objective(encoder, dataclasses.replace(batch(), windows=None))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.0),
        ("n_noise", 0),
        ("momentum", 1.5),
        ("width", 0),
        ("proximal_weight", -1.0),
        ("proximal_weight", math.inf),
        ("proximal_weight", math.nan),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        InstanceDiscrimination(**{name: value})


@pytest.mark.parametrize("temperature", [0.0, math.inf, math.nan])
def test_impossible_temperature_is_refused(temperature):
    z, log_z = random(4), torch.tensor(0.0)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        instance_nce(z, z, z, log_z, N, temperature)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        log_partition(z, z, N, temperature)
