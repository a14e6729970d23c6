import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tsclr.encoders import CNN1d
from tsclr.finetune import FineTuned


@pytest.fixture
def waves() -> tuple[np.ndarray, np.ndarray]:
    """Slow and fast waves with labels 3 and 7."""
    generator = np.random.default_rng(0)
    labels = np.repeat([3, 7], 20)
    phase = generator.uniform(0, 2 * np.pi, (40, 3, 1))
    waves = np.sin(np.arange(64) * np.where(labels == 3, 0.1, 0.8)[:, None, None] + phase)
    return waves.astype(np.float32), labels


def test_it_learns_and_leaves_the_encoder_as_it_was(waves: tuple) -> None:
    X, y = waves
    torch.manual_seed(0)
    encoder = CNN1d(3, width=8).eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    fitted = FineTuned(encoder, steps=60, encoder_rate=1e-2).fit(X[::2], y[::2])
    assert (fitted.predict(X[1::2]) == y[1::2]).mean() > 0.9
    assert all(torch.equal(before[name], t) for name, t in encoder.state_dict().items())
    moved = fitted.encoder_.state_dict()
    assert any(not torch.equal(before[name], moved[name]) for name in before)


def test_batch_norm_keeps_the_statistics_of_pretraining(waves: tuple) -> None:
    encoder = CNN1d(3, width=8).eval()
    fitted = FineTuned(encoder, steps=3).fit(*waves)
    for name, tensor in encoder.state_dict().items():
        if "running" in name:
            assert torch.equal(fitted.encoder_.state_dict()[name], tensor)


def test_the_same_seed_gives_the_same_answer(waves: tuple) -> None:
    model = FineTuned(CNN1d(3, width=8).eval(), steps=5)
    first, second = model.fit(*waves).head_, clone(model).fit(*waves).head_
    assert torch.equal(first[1].weight, second[1].weight)


def test_asking_before_fitting_is_refused(waves: tuple) -> None:
    with pytest.raises(NotFittedError):
        FineTuned(CNN1d(3, width=8)).predict(waves[0])
