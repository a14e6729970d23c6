"""Encoders side by side give what each gives alone; the spectrum equals a plain Fourier sum."""

import cmath
import json
import math
from functools import partial

import pytest
import torch

from tests.test_encoders import windows
from tsclr import specs
from tsclr.embed.checkpoint import FILE, Checkpoint
from tsclr.embed.embedder import Embedder
from tsclr.encoders import CNN1d, Concat, Encoder, Spectrum, Statistics, Transformer
from tsclr.encoders.base import build_encoder
from tsclr.encoders.concat import amplitudes
from tsclr.types import InputSpec

SENSORS = [[0, 1, 2], [3, 4, 5]]
small = partial(CNN1d, width=8)


def by_sensor(**first):
    """An encoder for each sensor, of different width and pooling."""
    return Concat(6, [CNN1d(3, width=4, **first), CNN1d(3, width=8, pooling=["last"])], SENSORS)


# Concat --------------------------------------------------------------------------------------


def test_features_are_those_of_each_encoder_on_its_channels():
    encoder, x = by_sensor().eval(), windows()
    acc, gyr = encoder.encoders
    torch.testing.assert_close(encoder(x), torch.cat([acc(x[:, :3]), gyr(x[:, 3:])], 1))
    maps = [acc.forward_features(x[:, :3]), gyr.forward_features(x[:, 3:])]
    torch.testing.assert_close(encoder.forward_features(x), torch.cat(maps, 1))


def test_parts_have_the_announced_widths_in_order():
    encoder, x = by_sensor().eval(), windows()
    assert encoder.part_widths == (48, 32)
    for part, inner, channels in zip(encoder.parts(x), encoder.encoders, SENSORS, strict=True):
        torch.testing.assert_close(part, inner(x[:, channels]))


def test_a_part_sees_its_own_channels_only():
    encoder, x = by_sensor().eval(), windows().requires_grad_()
    first, second = encoder.parts(x)
    for part, seen, hidden in ((first, SENSORS[0], SENSORS[1]), (second, SENSORS[1], SENSORS[0])):
        (gradient,) = torch.autograd.grad(part.sum(), x, retain_graph=True)
        assert gradient[:, seen].any()
        assert not gradient[:, hidden].any()


def test_channels_may_be_shared_and_in_any_order():
    encoder, x = Concat(6, [small, small], [[5, 0], [0, 1, 2, 3]]).eval(), windows()
    first, second = encoder.parts(x)
    torch.testing.assert_close(first, encoder.encoders[0](torch.stack([x[:, 5], x[:, 0]], 1)))
    torch.testing.assert_close(second, encoder.encoders[1](x[:, :4]))


def test_without_channels_every_encoder_sees_all():
    encoder, x = Concat(6, [small, Transformer]).eval(), windows()
    for part, inner in zip(encoder.parts(x), encoder.encoders, strict=True):
        torch.testing.assert_close(part, inner(x))


def test_an_encoder_alone_is_one_part():
    encoder, x = CNN1d(6, width=8).eval(), windows()
    assert encoder.part_widths == (encoder.num_features,)
    torch.testing.assert_close(encoder.parts(x), [encoder(x)])


def test_the_scale_is_that_of_the_outer_encoder():
    encoder, x = by_sensor().eval(), windows()
    encoder.input_scale.copy_(torch.tensor([2.0] * 3 + [5.0] * 3))
    first, second = encoder.parts(x)
    torch.testing.assert_close(first, encoder.encoders[0](x[:, :3] / 2))
    torch.testing.assert_close(second, encoder.encoders[1](x[:, 3:] / 5))
    assert all(inner.input_scale.eq(1).all() for inner in encoder.encoders)


def test_statistics_beside_a_network_need_its_samples():
    statistics, x = Statistics(6), windows()
    encoder = Concat(6, [small, statistics]).eval()
    assert encoder.min_length == statistics.min_length
    torch.testing.assert_close(encoder.parts(x)[1], statistics(x))
    with pytest.raises(ValueError, match="Concat needs at least 8 samples a window"):
        encoder(x[..., :7])


def test_maps_of_different_steps_are_refused_and_pooled_features_not():
    encoder = Concat(6, [small, partial(small, depth=2), Statistics])
    assert encoder(windows()).shape == (5, 96 + 48 + 174)
    with pytest.raises(ValueError, match="maps of 8, 16, 1 steps for 128 samples"):
        encoder.forward_features(windows())


def test_encoders_nest():
    inner = partial(Concat, encoders=[small, small], channels=[[0], [1, 2]])
    encoder, x = Concat(6, [inner, inner], SENSORS).eval(), windows()
    (second,) = (one for one in encoder.encoders[1].encoders[1:])
    torch.testing.assert_close(encoder(x)[:, -96:], second(x[:, 4:]))


def test_callables_make_new_weights_and_passed_encoders_keep_theirs():
    torch.manual_seed(0)
    make, trained, x = partial(Concat, encoders=[small]), CNN1d(6, width=8).eval(), windows()
    first, second = make(6).eval(), make(6).eval()
    assert not torch.allclose(first(x), second(x))
    torch.testing.assert_close(Concat(6, [trained]).eval()(x), trained(x))


def test_nested_specs_make_a_round_trip():
    encoder = Concat(6, [by_sensor(), Spectrum(6, CNN1d(6, width=8)), Statistics(6, 20.0)])
    spec = json.loads(json.dumps(specs.spec_of(encoder)))
    assert spec["channels"] is None
    assert spec["encoders"][0]["channels"] == SENSORS
    assert spec["encoders"][1]["encoder"]["width"] == 8
    rebuilt = specs.from_spec(Encoder, spec)
    assert specs.spec_of(rebuilt) == spec
    rebuilt.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(rebuilt.eval()(windows()), encoder.eval()(windows()))


def test_a_checkpoint_keeps_all_parts_and_embeds(tmp_path):
    channels = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
    encoder = Concat(6, [by_sensor(pooling=["attention"]), Spectrum(6, small)]).eval()
    encoder.input_scale.fill_(2)
    Checkpoint.of(encoder, InputSpec(channels, 50.0, 128)).save(tmp_path / FILE)
    x = windows()
    torch.testing.assert_close(Checkpoint.load(tmp_path).encoder()(x), encoder(x), rtol=0, atol=0)
    vectors = Embedder(str(tmp_path), whiten=False).fit().transform(x.numpy())
    torch.testing.assert_close(torch.from_numpy(vectors), encoder(x).detach())


@pytest.mark.parametrize(
    ("encoders", "channels", "message"),
    [
        ([], None, "encoders is 0, it must be at least 1"),
        ([small], SENSORS, "channels has 2 lists for 1 encoders"),
        ([small], [[]], r"channels has \[\], expected different numbers from 0 to 5"),
        ([small], [[0, 0]], r"channels has \[0, 0\]"),
        ([small], [[5, 6]], r"channels has \[5, 6\]"),
        ([small], [[-1]], r"channels has \[-1\]"),
        ([CNN1d(6)], [[0, 1, 2]], "CNN1d takes 6 channels, but gets 3 here"),
    ],
)
def test_impossible_divisions_are_refused(encoders, channels, message):
    with pytest.raises(ValueError, match=message):
        Concat(6, encoders, channels)


def test_an_encoder_is_not_taken_twice():
    with pytest.raises(ValueError, match="encoders holds the same encoder twice"):
        Concat(6, [CNN1d(3)] * 2, SENSORS)


def test_made_takes_an_encoder_as_it_is():
    encoder = CNN1d(3)
    assert build_encoder(encoder, 3) is encoder


# Spectrum ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 7, 16])
def test_amplitudes_equal_the_fourier_sum(length):
    x = windows(n=2, channels=3, length=length, dtype=torch.float64)
    turns = [cmath.exp(-2j * math.pi / length) ** k for k in range(length // 2 + 1)]
    slow = [
        [
            [abs(sum(s * turn**t for t, s in enumerate(channel))) / length for turn in turns]
            for channel in window
        ]
        for window in x.tolist()
    ]
    torch.testing.assert_close(amplitudes(x), torch.tensor(slow, dtype=torch.float64))


@pytest.mark.parametrize("length", [64, 256])
def test_an_oscillation_stands_at_its_bin_whatever_the_length(length):
    time = torch.arange(length, dtype=torch.float64) / 32
    x = 7 + 3 * torch.sin(2 * math.pi * 4 * time + 0.3)
    found = amplitudes(x[None, None])[0, 0]
    expected = torch.zeros_like(found)
    expected[0], expected[4 * length // 32] = 7, 1.5
    torch.testing.assert_close(found, expected)


def test_the_encoder_sees_the_scaled_spectrum():
    encoder, x = Spectrum(6, small).eval(), windows()
    encoder.input_scale.fill_(4)
    torch.testing.assert_close(encoder(x), encoder.encoder(amplitudes(x / 4)))
    expected = encoder.encoder.forward_features(amplitudes(x / 4))
    torch.testing.assert_close(encoder.forward_features(x), expected)


def test_a_spectrum_does_not_know_where_the_window_starts():
    encoder, x = Spectrum(6, small).eval(), windows()
    torch.testing.assert_close(encoder(x.roll(17, dims=2)), encoder(x), rtol=1e-4, atol=1e-5)


def test_constant_channels_have_a_finite_gradient():
    x = torch.ones(1, 6, 128, requires_grad=True)
    amplitudes(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_half_precision_is_transformed_in_single_precision():
    x = windows().to(torch.bfloat16)
    torch.testing.assert_close(amplitudes(x), amplitudes(x.float()).to(torch.bfloat16))


def test_the_spectrum_needs_windows_twice_as_long():
    encoder = Spectrum(6, Statistics)
    assert encoder.min_length == 14  # 8 bins
    encoder(windows(length=14))
    with pytest.raises(ValueError, match="Spectrum needs at least 14 samples"):
        encoder(windows(length=13))


def test_a_spectrum_has_the_parts_of_its_encoder():
    encoder = Spectrum(6, partial(Concat, encoders=[small, small], channels=SENSORS))
    assert encoder.part_widths == (96, 96)


def test_an_encoder_of_other_channels_is_refused():
    with pytest.raises(ValueError, match="CNN1d takes 3 channels, but gets 6 here"):
        Spectrum(6, CNN1d(3))
