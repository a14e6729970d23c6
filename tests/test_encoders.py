"""Every encoder keeps the contract; poolings and patches equal closed forms."""

import functools
import inspect
import json
import math
from typing import Any

import pytest
import torch

from tsclr import specs
from tsclr.encoders import CNN1d, Encoder, ResNet1d, Transformer, base, pooling
from tsclr.encoders.convolutional import ConvNorm
from tsclr.encoders.transformer import patches

ENCODERS: dict[str, Any] = {
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


small = functools.partial(CNN1d, width=8)
INSIDE = {"encoder": small, "encoders": [small, functools.partial(small, width=4)]}
"""What encoders made of encoders are given, by the name of the argument."""


@pytest.fixture(params=ENCODERS.values(), ids=list(ENCODERS))
def kind(request):
    inside = inspect.signature(request.param).parameters.keys() & INSIDE.keys()
    return functools.partial(request.param, **{name: INSIDE[name] for name in inside})


@pytest.fixture
def encoder(kind):
    torch.manual_seed(0)
    return kind(in_channels=6).eval()


# the contract of every encoder ---------------------------------------------------------------


@pytest.mark.parametrize("length", [64, 100, 128, 131, 256])
def test_every_length_gives_the_announced_features(encoder, length):
    x = windows(length=length)
    features = encoder.forward_features(x)
    assert features.shape[:2] == (5, encoder.feature_width)
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


def test_the_head_makes_of_the_map_what_the_encoder_makes_of_the_window(encoder):
    x = windows()
    torch.testing.assert_close(encoder.forward_head(encoder.forward_features(x)), encoder(x))


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
    with pytest.raises(ValueError, match="is 0, it must be at least 1"):
        kind(in_channels=0)


# encoders with a choice of pooling -----------------------------------------------------------


@pytest.mark.parametrize("kind", POOLED.values(), ids=list(POOLED))
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


@pytest.mark.parametrize("kind", POOLED.values(), ids=list(POOLED))
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
    assert features.grad is not None
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


@pytest.mark.parametrize("kind", [CNN1d, ResNet1d])
def test_gravity_makes_no_jump_at_the_ends_of_a_window(kind):
    torch.manual_seed(0)
    encoder = kind(6).eval()
    first = encoder.get_submodule("layers.0" if kind is CNN1d else "stem")
    at_rest = first(torch.ones(1, 128, 6))
    torch.testing.assert_close(at_rest, at_rest[:, 8:9].expand_as(at_rest))


@pytest.mark.parametrize("edges", ["zeros", "replicate"])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_convolution_of_rows_equals_that_of_channels(edges, stride):
    torch.manual_seed(0)
    block = ConvNorm(6, 8, kernel=5, stride=stride, edges=edges).double()
    plain = torch.nn.Conv1d(6, 8, 5, stride, 2, bias=False, padding_mode=edges).double()
    plain.weight = block.convolution.weight
    x = windows(length=67).double().requires_grad_()
    found, expected = block(x.transpose(1, 2)).transpose(1, 2), block.norm(plain(x))
    torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad(y.square().cumsum(2).sum(), [x, plain.weight])
        for y in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


def test_convolutional_sizes_are_checked():
    with pytest.raises(ValueError, match="depth is 0"):
        CNN1d(6, depth=0)
    with pytest.raises(ValueError, match="stages is 0"):
        ResNet1d(6, blocks=())
    for kind in (CNN1d, ResNet1d):
        with pytest.raises(ValueError, match="kernel is 4, expected an odd number such as 5"):
            kind(6, kernel=4)
    with pytest.raises(ValueError, match="blocks is 0"):
        ResNet1d(6, blocks=(1, 0))


def test_a_residual_block_without_its_branch_is_the_rectified_shortcut():
    encoder = ResNet1d(6, width=8, blocks=(2,)).eval()
    block = encoder.get_submodule("stages.0.1")
    torch.nn.init.zeros_(block.get_parameter("branch.1.convolution.weight"))
    x = torch.randn(2, 10, 8)
    torch.testing.assert_close(block(x), x.relu())


# pooling -------------------------------------------------------------------------------------


def test_std_equals_that_of_torch_with_its_gradient():
    x = windows(n=3, dtype=torch.float64).requires_grad_()
    found = pooling.std(x)
    expected = (x.var(-1, correction=0) + pooling.EPSILON).sqrt()
    torch.testing.assert_close(found, expected)
    weight = torch.arange(found.numel()).view_as(found).double()
    gradients = [torch.autograd.grad((y * weight).sum(), x) for y in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_a_second_gradient_of_std_is_an_error_and_not_a_wrong_number():
    x = windows(n=3).requires_grad_()
    first = torch.autograd.grad(pooling.std(x).square().sum(), x, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.square().sum().backward()


def test_std_of_half_precision_is_summed_in_single_precision():
    x = (100 + windows(n=3)).bfloat16()
    torch.testing.assert_close(pooling.std(x), pooling.std(x.float()).bfloat16(), rtol=0, atol=0)


def test_the_gradient_of_the_maximum_goes_to_one_step():
    x = torch.tensor([[[1.0, 3.0, 2.0]]], requires_grad=True)
    pooling.maximum(x).sum().backward()
    assert x.grad.tolist() == [[[0.0, 1.0, 0.0]]]


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


# sizes ---------------------------------------------------------------------------------------


def test_positive_sizes():
    base.check_sizes(one=1, two=2)
    with pytest.raises(ValueError, match="two is -2, it must be at least 1"):
        base.check_sizes(one=1, two=-2)
