import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tests.support.waves import slow_and_fast
from tsclr.encoders import CNN1d, Concat, Encoder, ResNet1d, Transformer
from tsclr.evaluate.finetune import FineTuned, last_block


@pytest.fixture
def waves() -> tuple[np.ndarray, np.ndarray]:
    return slow_and_fast()


def test_it_learns_and_leaves_the_encoder_as_it_was(waves: tuple) -> None:
    X, y = waves
    torch.manual_seed(0)
    encoder = CNN1d(3, width=8).eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    fitted = FineTuned(encoder, windows=30 * 64, encoder_rate=1e-2).fit(X[::2], y[::2])
    assert (fitted.predict(X[1::2]) == y[1::2]).mean() > 0.9
    assert all(torch.equal(before[name], t) for name, t in encoder.state_dict().items())
    moved = fitted.network_[0].state_dict()
    assert any(not torch.equal(before[name], moved[name]) for name in before)


def test_batch_norm_keeps_the_statistics_of_pretraining(waves: tuple) -> None:
    encoder = CNN1d(3, width=8).eval()
    fitted = FineTuned(encoder, windows=3 * 64).fit(*waves)
    for name, tensor in encoder.state_dict().items():
        if "running" in name:
            assert torch.equal(fitted.network_[0].state_dict()[name], tensor)


def test_the_same_seed_gives_the_same_answer(waves: tuple) -> None:
    model = FineTuned(CNN1d(3, width=8).eval(), windows=5 * 64)
    first, second = model.fit(*waves).network_, clone(model).fit(*waves).network_
    assert torch.equal(first[1][1].weight, second[1][1].weight)


def test_asking_before_fitting_is_refused(waves: tuple) -> None:
    with pytest.raises(NotFittedError):
        FineTuned(CNN1d(3, width=8)).predict(waves[0])


def test_the_last_block_is_all_that_moves(waves: tuple) -> None:
    encoder = CNN1d(3, width=8).eval()
    fitted = FineTuned(encoder, windows=3 * 64, trained="last-block", encoder_rate=1e-2).fit(*waves)
    moved = {
        name
        for name, tensor in fitted.network_[0].named_parameters()
        if not torch.equal(tensor, dict(encoder.named_parameters())[name])
    }
    assert moved == {name for name, _ in encoder.named_parameters() if name.startswith("layers.2.")}


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (ResNet1d(3), "stages.2."),
        (Transformer(3, depth=2), ("layers.1.", "norm.")),
        (Concat(6, [CNN1d(6), CNN1d(6)]), ("encoders.0.layers.2", "encoders.1.layers.2")),
    ],
    ids=["ResNet1d", "Transformer", "Concat"],
)
def test_what_the_last_block_is(encoder: Encoder, expected: str | tuple[str, ...]) -> None:
    found = {id(parameter) for parameter in last_block(encoder)}
    names = [name for name, parameter in encoder.named_parameters() if id(parameter) in found]
    assert names
    assert names == [name for name, _ in encoder.named_parameters() if name.startswith(expected)]


def test_the_linear_layer_comes_first(waves: tuple) -> None:
    encoder = CNN1d(3, width=8).eval()
    fitted = FineTuned(encoder, windows=0, linear_steps=4).fit(*waves)
    for name, tensor in encoder.named_parameters():
        assert torch.equal(dict(fitted.network_[0].named_parameters())[name], tensor), name
    assert fitted.network_[1][1].weight.abs().sum() > 0
    later = FineTuned(encoder, windows=64, linear_steps=3).fit(*waves).network_[0].state_dict()
    assert any(not torch.equal(later[name], t) for name, t in encoder.state_dict().items())
