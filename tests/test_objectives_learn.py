"""Every objective learns: minutes of training beat the untrained encoder, and none collapses.

Nothing is chosen here, so all subjects that training has not seen are judged on, those of
validation as well: three test subjects alone differ by more than the gain that is asked for.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.support.objectives import KINDS, C, parsed
from tsclr.data.settings import Data
from tsclr.data.splits import draw_budget
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import encode
from tsclr.encoders import Encoder
from tsclr.evaluate.scores import confusions, macro_f1
from tsclr.train.pretrain import pretrain
from tsclr.train.setup import sensor_scale

EPOCHS, LABELS, DRAWS, SEED = 10, 5, 20, 0
GAIN = 0.02
"""Macro F1 above the untrained encoder, the least that is called clear."""
RANK = 8
"""Effective rank on validation subjects, the least that is called healthy."""


@pytest.fixture(scope="module")
def store() -> Store:
    """Twelve simulated people, ten minutes each."""
    return Store.load("synthetic")


def few_label_score(encoder: Encoder, store: Store, train: list[str]) -> float:
    """Macro F1 of a logistic regression on few labels of `train`, mean over draws, on the rest."""
    windows = Windows.labelled(store, 128, 64)
    h, is_test = encode(encoder, windows), ~np.isin(windows.subjects, train)
    pool, scores = np.flatnonzero(~is_test), []
    for draw in range(DRAWS):
        drawn = pool[draw_budget(windows.labels[pool], LABELS, store.classes, draw)]
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        classifier.fit(h[drawn], windows.labels[drawn])
        found = confusions(
            windows.labels[is_test],
            classifier.predict(h[is_test]),
            windows.subjects[is_test],
            len(store.classes),
        )
        scores.append(macro_f1(found.sum(0)))
    return float(np.mean(scores))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_short_run_beats_the_untrained_encoder(kind, store: Store, tmp_path: Path) -> None:
    given = parsed(kind)
    training = dataclasses.replace(given.training, epochs=EPOCHS, seed=SEED, device="cpu")
    run = pretrain(
        Data("synthetic"),
        given.encoder,
        given.objective,
        given.views,
        given.pairing,
        training,
        tmp_path / "run",
    )
    checkpoint = Checkpoint.load(run)
    train = checkpoint.settings["split"]["train"]
    torch.manual_seed(SEED)
    untrained = given.encoder(C).eval()
    untrained.input_scale.copy_(sensor_scale(Windows.sliding(store, 128, 64, train), SEED))
    scores = [few_label_score(each, store, train) for each in (untrained, checkpoint.encoder())]
    rank = checkpoint.settings["metrics"][-1]["effective_rank"]
    told = f"{kind.__name__}: {scores[0]:.3f} untrained, {scores[1]:.3f} trained, rank {rank:.0f}"
    sys.stdout.write(f"{told}\n")
    assert rank > RANK
    assert scores[1] > scores[0] + GAIN
