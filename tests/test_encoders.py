"""Every encoder keeps the contract; statistics, poolings and patches equal slow references."""

import inspect
import json
import math

import numpy as np
import pytest
import torch
from scipy import signal, stats

from tsclr import specs
from tsclr.encoders import CNN1d, Encoder, ResNet1d, Statistics, Transformer, base, pooling
from tsclr.encoders.statistics import BANDS, LOG_FLOOR, SPECTRUM_NAMES, TIME_NAMES
from tsclr.encoders.transformer import patches

ENCODERS = {
    name: kind
    for name, kind in specs.subclasses(Encoder).items()
    if kind.__module__.startswith("tsclr.")
}
POOLED = {
    name: kind for name, kind in ENCODERS.items() if "pooling" in inspect.signature(kind).parameters
}
ALL_POOLINGS = ["mean", "max", "std", "last", "attention"]


def windows(n=5, channels=6, length=128, seed=0, dtype=torch.float32):
    """Gravity on one axis, a gait-like oscillation and noise."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(length, dtype=torch.float64) / 50
    phase = torch.rand(n, channels, 1, generator=generator, dtype=torch.float64) * 6
    noise = torch.randn(n, channels, length, generator=generator, dtype=torch.float64)
    x = torch.sin(2 * math.pi * 1.8 * time + phase) + 0.3 * noise
    x[:, 0] += 1
    return x.to(dtype)


@pytest.fixture(params=ENCODERS.values(), ids=ENCODERS.keys())
def kind(request):
    return request.param


@pytest.fixture
def encoder(kind):
    torch.manual_seed(0)
    return kind(in_channels=6).eval()


# the contract of every encoder ---------------------------------------------------------------


@pytest.mark.parametrize("length", [64, 100, 128, 131, 256])
def test_every_length_gives_the_announced_features(encoder, length):
    x = windows(length=length)
    features = encoder.forward_features(x)
    assert features.shape[:2] == (5, encoder.pool.width)
    assert encoder(x).shape == (5, encoder.num_features)
    assert torch.isfinite(encoder(x)).all()


def test_the_shortest_window_is_accepted_and_a_shorter_one_named(encoder):
    shortest = encoder.min_length
    assert torch.isfinite(encoder(windows(length=shortest))).all()
    with pytest.raises(ValueError, match=f"needs at least {shortest} samples"):
        encoder(windows(length=shortest)[..., 1:])


@pytest.mark.parametrize("channels", [1, 3, 4, 9])
def test_any_number_of_channels(kind, channels):
    encoder = kind(in_channels=channels).eval()
    assert encoder(windows(channels=channels)).shape == (5, encoder.num_features)


def test_eval_output_does_not_depend_on_the_batch(encoder):
    x = windows()
    together = x.clone()
    together[[0, 2, 4]] = torch.nan
    torch.testing.assert_close(encoder(together)[[1, 3]], encoder(x[[1, 3]]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder(x)[1:2], encoder(x[1:2]), rtol=1e-4, atol=1e-5)


def test_constant_windows_stay_finite(encoder):
    x = torch.full((2, 6, 128), 9.81)
    x[1] = 0
    assert torch.isfinite(encoder(x)).all()


def test_state_survives_saving(kind, encoder, tmp_path):
    encoder.train()(windows(seed=1))  # moves the running statistics
    encoder.eval().input_scale.fill_(2)
    torch.save(encoder.state_dict(), tmp_path / "state.pt")
    other = kind(in_channels=6).eval()
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(other(windows()), encoder(windows()))


def test_every_parameter_gets_a_gradient(encoder):
    encoder.train()
    loss = (encoder(windows(n=8).requires_grad_()) ** 2).sum()  # Statistics has the input only
    loss.backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_the_input_gets_a_gradient(encoder):
    x = windows().requires_grad_()
    encoder(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.any()


def test_spec_round_trip(encoder):
    spec = json.loads(json.dumps(specs.spec_of(encoder)))
    rebuilt = specs.from_spec(Encoder, spec)
    assert specs.spec_of(rebuilt) == spec
    assert {k: v.shape for k, v in rebuilt.state_dict().items()} == {
        k: v.shape for k, v in encoder.state_dict().items()
    }


def test_double_precision(encoder):
    x = windows(dtype=torch.float64)
    precise = encoder.double()(x)
    assert precise.dtype == torch.float64
    coarse = encoder.float()(x.float())
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse.double(), precise, rtol=1e-3, atol=1e-4)


def test_input_scale_divides_the_windows(encoder):
    scale = torch.tensor([1.0, 1.0, 1.0, 4.0, 4.0, 4.0])
    expected = encoder(windows())
    encoder.input_scale.copy_(scale)
    torch.testing.assert_close(encoder(windows() * scale[:, None]), expected)


def test_wrong_shapes_say_what_to_do(encoder):
    with pytest.raises(ValueError, match=r"x\.transpose\(1, 2\)"):
        encoder(windows().transpose(1, 2))
    with pytest.raises(ValueError, match=r"shape \(5, 3, 128\), expected \(B, 6, T\): check"):
        encoder.forward_features(windows(channels=3))
    with pytest.raises(ValueError, match=r"pass x\[None\]"):
        encoder(windows()[0])


def test_no_channels(kind):
    with pytest.raises(ValueError, match="is 0, expected 1 or more"):
        kind(in_channels=0)


# encoders with a choice of pooling -----------------------------------------------------------


@pytest.mark.parametrize("kind", POOLED.values(), ids=POOLED.keys())
def test_poolings_are_concatenated_in_order(kind):
    torch.manual_seed(0)
    encoder = kind(in_channels=6, pooling=ALL_POOLINGS)
    width = encoder.num_features // 5
    (encoder(windows(n=8)) ** 2).sum().backward()
    assert all(parameter.grad.any() for parameter in encoder.parameters())
    features, pooled = encoder.eval().forward_features(windows()), encoder(windows())
    torch.testing.assert_close(pooled[:, :width], features.mean(-1))
    torch.testing.assert_close(pooled[:, width : 2 * width], features.amax(-1))
    torch.testing.assert_close(pooled[:, 3 * width : 4 * width], features[..., -1])
    assert specs.spec_of(encoder)["pooling"] == ALL_POOLINGS


@pytest.mark.parametrize("kind", POOLED.values(), ids=POOLED.keys())
def test_unknown_poolings_are_refused(kind):
    with pytest.raises(ValueError, match="'maxx': did you mean max"):
        kind(in_channels=6, pooling=("mean", "maxx"))
    with pytest.raises(ValueError, match="expected a list of names"):
        kind(in_channels=6, pooling="mean")
    with pytest.raises(ValueError, match="expected a list of names"):
        kind(in_channels=6, pooling=())


# poolings against closed forms ---------------------------------------------------------------


def test_std_of_a_sinusoid_is_one_over_root_two():
    steps = torch.arange(64) * (2 * math.pi / 64)
    features = (3 * steps.sin())[None, None]
    torch.testing.assert_close(pooling.std(features), torch.tensor([[3 / math.sqrt(2)]]))


def test_std_of_a_constant_has_a_finite_gradient():
    features = torch.ones(1, 2, 8, requires_grad=True)
    pooling.std(features).sum().backward()
    assert torch.equal(features.grad, torch.zeros(1, 2, 8))


def test_attention_starts_as_the_mean_and_can_pick_a_step():
    attention = pooling.Attention(2)
    features = torch.tensor([[[0.0, 1.0, 0.0], [4.0, 5.0, 9.0]]])
    torch.testing.assert_close(attention(features), features.mean(-1))
    with torch.no_grad():
        attention.score.copy_(torch.tensor([math.log(2), 0.0]))
    weights = torch.tensor([1.0, 2.0, 1.0]) / 4  # exp(log 2 · 1) against exp(0)
    torch.testing.assert_close(attention(features), (features * weights).sum(-1))


# convolutional -------------------------------------------------------------------------------


def test_convolutional_sizes():
    assert CNN1d(6, width=8, depth=2).forward_features(windows()).shape == (5, 16, 16)
    assert ResNet1d(6, width=8, blocks=(1, 2)).forward_features(windows()).shape == (5, 16, 16)
    n_parameters = sum(parameter.numel() for parameter in CNN1d(6).parameters())
    assert 100_000 < n_parameters < 400_000


def test_convolutional_sizes_are_checked():
    with pytest.raises(ValueError, match="depth is 0"):
        CNN1d(6, depth=0)
    with pytest.raises(ValueError, match="stages is 0"):
        ResNet1d(6, blocks=())
    with pytest.raises(ValueError, match="blocks is 0"):
        ResNet1d(6, blocks=(1, 0))


def test_a_residual_block_without_its_branch_is_the_rectified_shortcut():
    encoder = ResNet1d(6, width=8, blocks=(2,)).eval()
    block = encoder.stages[0][1]
    torch.nn.init.zeros_(block.branch[-1].weight)
    x = torch.randn(2, 8, 10)
    torch.testing.assert_close(block(x), x.relu())


# transformer ---------------------------------------------------------------------------------


def test_the_token_of_a_partial_patch_is_that_of_its_real_samples():
    encoder = Transformer(6, patch=8)
    x = windows(length=20)
    token = encoder.embedding(patches(x, 8))[:, -1]
    weight = encoder.embedding.weight.view(96, 6, 8)[..., :4]
    expected = torch.einsum("bct,dct->bd", x[..., 16:], weight) + encoder.embedding.bias
    torch.testing.assert_close(token, expected)


def test_a_window_gives_the_same_whoever_fills_its_last_patch():
    torch.manual_seed(0)
    encoder = Transformer(6, patch=8, pooling=ALL_POOLINGS).eval()
    x = windows(length=20)
    assert encoder.forward_features(x).shape[-1] == 3  # no token of filling only
    torch.testing.assert_close(encoder(x), encoder(torch.nn.functional.pad(x, (0, 4))))


def test_positions_tell_the_order_of_patches():
    encoder = Transformer(6, pooling=["mean"]).eval()
    x = windows()
    swapped = torch.cat([x[..., 64:], x[..., :64]], -1)
    assert not torch.allclose(encoder(x), encoder(swapped), atol=1e-3)


def test_transformer_sizes_are_checked():
    with pytest.raises(ValueError, match="width is 90, expected an even multiple of heads = 4"):
        Transformer(6, width=90)
    with pytest.raises(ValueError, match="width is 5"):
        Transformer(6, width=5, heads=1)


# statistics ----------------------------------------------------------------------------------


def slow_statistics(window, sample_rate):
    """The statistics of one window (C, T) with SciPy, one signal at a time."""
    sensors = window.reshape(-1, 3, window.shape[1]) if len(window) % 3 == 0 else []
    values = []
    for x in [*window, *(np.sqrt((sensor**2).sum(0)) for sensor in sensors)]:
        values += [x.mean(), x.std(), x.min(), x.max(), np.median(x)]
        values += [np.quantile(x, 0.25), np.quantile(x, 0.75)]
        values += [stats.skew(x), stats.kurtosis(x, fisher=False)]
        values += [(x**2).mean(), np.abs(np.diff(x)).mean()]
        f, power = signal.periodogram(x, sample_rate, detrend="constant")
        values += [(f * power).sum() / power.sum(), f[power.argmax()]]
        values += [np.log(power.max() + LOG_FLOOR), stats.entropy(power) / np.log(len(f))]
        for low, high in BANDS:
            in_band = power[(f >= low) & (f < high)].sum() * f[1]
            values.append(np.log(in_band + LOG_FLOOR))
    for sensor in sensors:
        values += list(np.corrcoef(sensor)[np.triu_indices(3, 1)])
    return np.array(values)


@pytest.mark.parametrize(
    ("channels", "length", "rate"), [(6, 128, 50.0), (3, 101, 100.0), (4, 64, 20.0), (9, 8, 50.0)]
)
def test_statistics_equal_scipy_window_by_window(channels, length, rate):
    x = windows(n=4, channels=channels, length=length, dtype=torch.float64)
    encoder = Statistics(channels, sample_rate=rate).double()
    expected = np.stack([slow_statistics(window, rate) for window in x.numpy()])
    np.testing.assert_allclose(encoder(x).numpy(), expected, rtol=1e-8, atol=1e-8)
    assert len(encoder.feature_names) == len(set(encoder.feature_names)) == encoder.num_features


def test_six_channels_give_174_named_statistics():
    encoder = Statistics(6)
    assert encoder.num_features == 174
    assert encoder.forward_features(windows()).shape == (5, 174, 1)
    assert not list(encoder.parameters())


def test_statistics_of_a_tone():
    # 4 Hz for 128 / 64 s: 8 whole periods, so all power lies in one bin
    time = torch.arange(128, dtype=torch.float64) / 64
    x = (2 + 3 * torch.sin(2 * math.pi * 4 * time))[None, None]
    encoder = Statistics(1, sample_rate=64).double()
    found = dict(zip(encoder.feature_names, encoder(x)[0].tolist(), strict=True))
    assert found["channel0_mean"] == pytest.approx(2)
    assert found["channel0_sd"] == pytest.approx(3 / math.sqrt(2))
    assert found["channel0_skewness"] == pytest.approx(0, abs=1e-9)
    assert found["channel0_kurtosis"] == pytest.approx(1.5)  # E sin⁴ / (E sin²)² = (3/8) / (1/4)
    assert found["channel0_energy"] == pytest.approx(4 + 4.5)
    assert found["channel0_dominant_frequency"] == 4
    assert found["channel0_spectral_centroid"] == pytest.approx(4)
    assert found["channel0_spectral_entropy"] == pytest.approx(0, abs=1e-9)
    assert found["channel0_log_power_3_5_hz"] == pytest.approx(math.log(4.5))
    assert found["channel0_log_power_5_8_hz"] == pytest.approx(math.log(LOG_FLOOR))


def test_statistics_of_constant_windows():
    encoder = Statistics(6)
    level = 0.1  # no exact float, so that x - mean(x) would not be 0
    row = encoder(torch.full((1, 6, 100), level))[0].tolist()
    found = dict(zip(encoder.feature_names, row, strict=True))
    for name in ("mean", "min", "max", "median", "quartile1", "quartile3"):
        assert found[f"channel0_{name}"] == pytest.approx(level)
    for name in ("skewness", "kurtosis", *SPECTRUM_NAMES[:2], "spectral_entropy"):
        assert found[f"channel0_{name}"] == 0
    for name in ("sd", "mean_absolute_difference"):
        assert found[f"sensor1_magnitude_{name}"] == pytest.approx(0, abs=1e-10)
    assert found["channel5_log_power_1_2_hz"] == pytest.approx(math.log(LOG_FLOOR))
    assert found["sensor0_correlation_xy"] == 0


def test_statistics_names_match_the_layout():
    names = Statistics(6).feature_names
    assert names[:21] == tuple(f"channel0_{name}" for name in (*TIME_NAMES, *SPECTRUM_NAMES))
    assert names[6 * 21] == "sensor0_magnitude_mean"
    assert names[8 * 21 : 8 * 21 + 3] == tuple(
        f"sensor0_correlation_{p}" for p in ("xy", "xz", "yz")
    )


def test_statistics_need_a_rate():
    with pytest.raises(ValueError, match=r"sample_rate is 0\.0, expected more than 0 Hz"):
        Statistics(6, sample_rate=0.0)


def test_positive_sizes():
    base.check_positive(one=1, two=2)
    with pytest.raises(ValueError, match="two is -2, expected 1 or more"):
        base.check_positive(one=1, two=-2)
