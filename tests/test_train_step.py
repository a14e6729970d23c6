"""A step in parts, in chunks, in half precision or compiled is the step it stands for."""

import subprocess
import sys
from copy import deepcopy

import pytest
import torch

from tests.support.objectives import batch, learner
from tsclr.encoders import CNN1d, Encoder
from tsclr.objectives import NTXent, Objective
from tsclr.train.optimisers import optimizer_for
from tsclr.train.settings import Training
from tsclr.train.step import (
    BF16_HARDWARE,
    Learner,
    TrainStep,
    _ChunkedEncoder,
    _without_memory,
    check_precision,
)

CPU = torch.device("cpu")
HAS_BF16 = any(map(torch.cpu.get_capabilities().get, BF16_HARDWARE))


def train_step(given: tuple[Encoder, Objective] | None = None, **settings: object) -> TrainStep:
    encoder, objective = given or learner(NTXent)
    training = Training(clip_norm=1e9, **settings)
    return TrainStep(
        Learner(encoder, objective, training.chunk_size),
        optimizer_for([encoder, objective], training),
        None,
        training,
        CPU,
    )


def small() -> tuple[Encoder, Objective]:
    """Little to compile."""
    torch.manual_seed(0)
    encoder = CNN1d(6, width=8, depth=1)
    return encoder.double(), NTXent(hidden=16, width=8).build(encoder, 64).double()


def gradients(of: TrainStep) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in of.learner.named_parameters()}


def test_accumulation_averages_the_parts() -> None:
    parts = train_step(accumulate=2)
    alone = deepcopy(parts.learner)
    given = batch(n=8)
    terms = parts(given, 0.0)
    losses = [alone(given.rows(slice(low, low + 4)))["nt_xent"] for low in (0, 4)]
    torch.stack(losses).mean().backward()
    torch.testing.assert_close(terms["nt_xent"], torch.stack(losses).mean().detach())
    expected = {name: weight.grad for name, weight in alone.named_parameters()}
    torch.testing.assert_close(gradients(parts), expected)


@pytest.mark.parametrize(("n", "accumulate"), [(8, 3), (8, 8)])
def test_parts_that_do_not_fit_are_refused(n: int, accumulate: int) -> None:
    with pytest.raises(ValueError, match=f"accumulate is {accumulate}, but a batch of {n}"):
        train_step(accumulate=accumulate)(batch(n=n), 0.1)


def test_chunks_give_the_loss_and_gradient_of_the_whole_batch() -> None:
    """With BatchNorm held still: in training it normalises a chunk by itself."""
    found = []
    for size in (None, 3, 100):
        one = train_step(chunk_size=size)
        one.learner.encoder.eval()
        terms = one(batch(n=8), 0.0)
        found.append({"loss": terms["nt_xent"]} | gradients(one))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-10, atol=1e-12)


def test_chunks_move_the_moments_of_batch_norm_once() -> None:
    one, other = train_step(chunk_size=4), train_step()
    given = batch(n=8)
    one(given, 0.0)
    with torch.no_grad():
        for part in torch.cat(list(given.views)).split(4):
            other.learner.encoder(part)
    for name, value in other.learner.encoder.named_buffers():
        torch.testing.assert_close(value, one.learner.encoder.get_buffer(name), msg=name)
    assert all(
        module.momentum == 0.1
        for module in one.learner.encoder.modules()
        if isinstance(module, torch.nn.BatchNorm1d)
    )


def test_norms_of_any_kind_forget_a_second_pass() -> None:
    encoder, _ = learner(NTXent)
    norm = torch.nn.SyncBatchNorm.convert_sync_batchnorm(encoder).layers[0][0].norm
    assert isinstance(norm, torch.nn.SyncBatchNorm)
    count = norm.num_batches_tracked
    with _without_memory(encoder):
        assert norm.momentum == 0
        count.add_(1)
    assert norm.momentum == 0.1
    assert norm.num_batches_tracked is count  # compiled code and processes know it by its place
    assert count == 0


def kept_for_backward(size: int | None) -> int:
    """Bytes that autograd keeps."""
    one, kept = train_step(chunk_size=size), 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    given = batch(n=64)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        one.learner(given)
    return kept


def test_chunks_keep_a_fraction_of_the_activations() -> None:
    assert kept_for_backward(8) < 0.2 * kept_for_backward(None)


def test_the_norm_of_the_whole_gradient_is_clipped() -> None:
    one = train_step()
    one.training = Training(clip_norm=1e-3)
    one(batch(), 0.0)
    norm = torch.cat([gradient.flatten() for gradient in gradients(one).values()]).norm()
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_chunks_pass_through_every_way_into_an_encoder() -> None:
    encoder, _ = learner(NTXent)
    encoder.eval()
    x, chunked = batch(n=8).views[0], _ChunkedEncoder(encoder, 3)
    torch.testing.assert_close(chunked(x), encoder(x))
    torch.testing.assert_close(chunked.forward_features(x), encoder.forward_features(x))
    assert [part.shape for part in chunked.parts(x)] == [part.shape for part in encoder.parts(x)]
    maps = chunked.forward_features(x)
    torch.testing.assert_close(chunked.forward_head(maps), encoder(x))
    assert chunked.num_features == encoder.num_features
    assert chunked.input_scale is encoder.input_scale


COMPILED = """
import torch
from tests.support.objectives import batch
from tests.test_train_step import gradients, small, train_step
one, other = (train_step(small(), compile=compiled) for compiled in (True, False))
torch.testing.assert_close(one(batch(), 0.0), other(batch(), 0.0), rtol=1e-6, atol=1e-8)
torch.testing.assert_close(gradients(one), gradients(other), rtol=1e-5, atol=1e-7)
"""


def test_compiled_features_are_the_same() -> None:
    """In a process without the checks of annotations, which torch.compile cannot follow."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True, timeout=300)


@pytest.mark.skipif(not HAS_BF16, reason="this processor has no bfloat16 units")
def test_bfloat16_is_near_single_precision() -> None:
    found = []
    for precision in ("fp32", "bf16"):
        one = train_step(precision=precision)
        one.learner.float()
        given = batch()
        given = type(given)([view.float() for view in given.views])
        found.append(float(one(given, 0.0)["nt_xent"]))
    assert found[1] == pytest.approx(found[0], rel=0.05)
    assert found[1] != found[0]


def test_precision_without_hardware_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(ValueError, match=r"precision bf16: this processor would only emulate"):
        check_precision("bf16", CPU)
    with pytest.raises(ValueError, match=r"precision fp16: this processor"):
        check_precision("fp16", CPU)
    check_precision("fp32", CPU)
    for kind in BF16_HARDWARE:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda kind=kind: {kind: True})
        check_precision("bf16", CPU)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda emulated: False)
    with pytest.raises(ValueError, match="this GPU does not support it"):
        check_precision("bf16", torch.device("cuda"))


def test_half_precision_scales_its_gradients() -> None:
    """The scaler alone, on a device that has one: a step whose gradient overflows is left out."""
    one = train_step()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    one.scaler = scaler
    before = deepcopy(one.learner.state_dict())
    with torch.no_grad():
        one.learner.objective.projector[3].weight[0, 0] = torch.inf
    one(batch(), 1e-3)
    assert scaler.get_scale() == 2.0**9
    after = one.learner.encoder.layers[0][0].convolution.weight
    assert torch.equal(after, before["encoder.layers.0.0.convolution.weight"])
