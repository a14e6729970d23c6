import dataclasses
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tsclr.augment import Crop, Jitter, Rotate
from tsclr.data.settings import Data
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.diagnostics import alignment, effective_rank, uniformity
from tsclr.encoders import CNN1d
from tsclr.explore.advise import NONE, SCORE, Advice, advise, candidates, ranked, run_folder
from tsclr.objectives import NTXent
from tsclr.pairs import Neighbour
from tsclr.train.settings import Training
from tsclr.train.step import TrainStep

JUDGEMENTS = ["effective_rank", "alignment", "uniformity", "neighbour_agreement"]


def tiny_advise(
    store: Path, out: Path, learning_rate: float = 5e-3, views: Any = None, seeds: int = 2
) -> Advice:
    return advise(
        Data(str(store), test=["04"]),
        partial(CNN1d, width=8),
        NTXent(hidden=16, width=8),
        [Rotate(spread=0.5), Jitter(sd=0.02)] if views is None else views,
        Neighbour(2.56),
        Training(batch_size=32, learning_rate=learning_rate),
        out,
        epochs=1,
        seeds=seeds,
    )


@pytest.fixture(scope="module")
def advised(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Advice]:
    out = tmp_path_factory.mktemp("advice")
    return out, tiny_advise(tiny_store, out)


def test_every_view_and_pair_is_tried_in_the_order_of_the_pipeline() -> None:
    tried = candidates([Crop(), Rotate(), Jitter()])
    names = "Crop, Rotate, Jitter, Crop + Rotate, Crop + Jitter, Rotate + Jitter"
    assert list(tried) == [NONE, *names.split(", ")]
    assert [len(views) for views in tried.values()] == [0, 1, 1, 1, 2, 2, 2]


def test_views_keep_the_settings_of_the_pipeline() -> None:
    rotate = Rotate(spread=0.7, p=0.3)
    assert candidates([rotate])["Rotate"] == [rotate]


def test_candidates_of_the_same_classes_are_told_apart_and_equal_ones_tried_once() -> None:
    tried = candidates([Jitter(sd=0.5)], also=[[Jitter(sd=0.1)], [Jitter(sd=0.5)]])
    assert list(tried) == [NONE, "Jitter(sd=0.5, p=1)", "Jitter(sd=0.1, p=1)"]
    folders = {run_folder(Path(), views, seed) for views in tried.values() for seed in (0, 1)}
    assert len(folders) == 6


def test_a_view_that_stands_twice_in_the_pipelines_is_one_candidate(
    advised: tuple[Path, Advice], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(candidates([Jitter(), Crop(), Jitter()])) == [
        NONE,
        "Jitter",
        "Crop",
        "Jitter + Crop",
    ]
    steps = _count_steps(monkeypatch)
    weak, strong = [Rotate(spread=0.5)], [Rotate(spread=0.5), Jitter(sd=0.02)]
    tiny_advise(tiny_store, advised[0], seeds=2, views={"weak": weak, "strong": strong})
    assert not steps


def test_the_ranking_is_by_the_declared_score(advised: tuple[Path, Advice]) -> None:
    table = advised[1].table
    assert list(table.columns) == ["views", *JUDGEMENTS, "seconds"]
    assert sorted(table["views"]) == sorted([NONE, "Rotate", "Jitter", "Rotate + Jitter"])
    assert table[SCORE].is_monotonic_decreasing
    assert np.isfinite(table[[*JUDGEMENTS, "seconds"]].to_numpy()).all()
    assert f"start with {table['views'].tolist()[0]}:" in advised[1].recommendation


def test_every_candidate_has_the_same_seeds_and_a_short_run(advised: tuple[Path, Advice]) -> None:
    runs = sorted(path.parent for path in advised[0].glob("*/*/checkpoint.safetensors"))
    assert [run.name for run in runs] == ["0", "1"] * 4
    for run in runs:
        training = Checkpoint.load(run).settings["training"]
        assert training["epochs"] == 1
        assert training["windows_per_epoch"] == 10_000
        assert training["seed"] == int(run.name)


def test_a_smaller_epoch_of_the_config_is_kept(tiny_store: Path, tmp_path: Path) -> None:
    advise(
        Data(str(tiny_store), test=["04"]),
        partial(CNN1d, width=8),
        NTXent(),
        [Jitter()],
        Neighbour(),
        Training(batch_size=32, windows_per_epoch=64),
        tmp_path,
        epochs=1,
    )
    for run in tmp_path.glob("*/*"):
        assert Checkpoint.load(run).settings["training"]["windows_per_epoch"] == 64


def test_scores_are_means_over_seeds_of_plain_windows_of_validation_subjects(
    advised: tuple[Path, Advice], tiny_store: Path
) -> None:
    out, advice = advised
    store = Store.open(tiny_store)
    views = [Rotate(spread=0.5)]
    settings = Checkpoint.load(run_folder(out, views, 0)).settings
    windows = Windows.sliding(store, 128, 64, settings["split"]["validation"])
    starts, rows = windows.starts, windows.rows()
    pairs = [
        (n, m)
        for n in range(len(windows))
        for m in range(len(windows))
        if starts[m] == starts[n] + 256 and rows[m] == rows[n]
    ]
    first, second = (windows.take(np.array(each)) for each in zip(*pairs, strict=True))
    expected = []
    for seed in (0, 1):
        encoder = Checkpoint.load(run_folder(out, views, seed)).encoder()
        with torch.inference_mode():
            h1, h2 = encoder(first).double(), encoder(second).double()
        z1, z2 = h1 - h1.mean(0), h2 - h1.mean(0)
        shares = []
        for n, (start, _) in enumerate(pairs):
            cosine = torch.cosine_similarity(z1[n][None], z2, dim=1)
            other = [
                m
                for m, (_, end) in enumerate(pairs)
                if rows[end] != rows[start] or abs(starts[end] - starts[start]) > 6 * 128
            ]
            if other:
                shares.append(float((cosine[n] > cosine[other]).double().mean()))
        scores = effective_rank(z1), alignment(z1, z2), uniformity(z1), np.mean(shares)
        expected.append([float(score) for score in scores])
    found = advice.table.set_index("views").loc["Rotate", JUDGEMENTS].tolist()
    assert found == pytest.approx(np.mean(expected, axis=0).tolist(), rel=1e-4)


def _count_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    taken, take = [], TrainStep.__call__

    def counted(*given: Any) -> dict[str, torch.Tensor]:
        taken.append(1)
        return take(*given)

    monkeypatch.setattr(TrainStep, "__call__", counted)
    return taken


def test_a_finished_run_is_not_made_again(
    advised: tuple[Path, Advice], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = _count_steps(monkeypatch)
    again = tiny_advise(tiny_store, advised[0])
    assert not steps
    pd.testing.assert_frame_equal(again.table, advised[1].table)


def test_an_interrupted_advice_makes_only_the_missing_runs(
    advised: tuple[Path, Advice], tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, take = _count_steps(monkeypatch), TrainStep.__call__
    n_steps = _n_train(tiny_store) // 32

    def interrupted(*given: Any) -> dict[str, torch.Tensor]:
        if len(steps) == 2 * n_steps + 1:
            raise KeyboardInterrupt
        return take(*given)

    monkeypatch.setattr(TrainStep, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny_advise(tiny_store, tmp_path)
    assert len(list(tmp_path.glob("*/*/checkpoint.safetensors"))) == 2
    monkeypatch.setattr(TrainStep, "__call__", take)
    steps.clear()
    again = tiny_advise(tiny_store, tmp_path)
    assert len(steps) == 6 * n_steps
    pd.testing.assert_frame_equal(
        again.table.drop(columns="seconds"), advised[1].table.drop(columns="seconds"), rtol=1e-4
    )


def _n_train(tiny_store: Path) -> int:
    data = Data(str(tiny_store), test=["04"])
    store, split = data.open()
    return len(data.windows(store, split.train))


def test_runs_made_with_other_settings_are_refused(
    advised: tuple[Path, Advice], tiny_store: Path
) -> None:
    with pytest.raises(
        ValueError, match=r"training\.learning_rate: the run has 0\.005, now requested is 0\.001"
    ):
        tiny_advise(tiny_store, advised[0], learning_rate=1e-3)


class Unreadable:
    """Labels that must not be looked at."""

    def _refuse(self, *_: Any) -> None:
        raise AssertionError("a label was read")

    __getitem__ = __array__ = __len__ = __iter__ = _refuse  # type: ignore[assignment]


def test_neither_labels_nor_test_subjects_are_looked_at(
    advised: tuple[Path, Advice], tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tiny_store)
    signal = store.signal.copy()
    whose = store.recordings["subject"].to_numpy()
    signal[np.repeat(whose == "04", store.recordings["length"].to_numpy())] = math.nan
    spoilt = dataclasses.replace(store, signal=signal)
    object.__setattr__(spoilt, "labels", Unreadable())
    monkeypatch.setattr(Store, "load", lambda *_: spoilt)
    blind = tiny_advise(tiny_store, tmp_path)
    pd.testing.assert_frame_equal(
        blind.table.drop(columns="seconds"), advised[1].table.drop(columns="seconds"), rtol=1e-4
    )


def test_the_store_is_opened_once(
    advised: tuple[Path, Advice], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, load = [], Store.load
    monkeypatch.setattr(Store, "load", lambda *given: opened.append(given) or load(*given))
    tiny_advise(tiny_store, advised[0])
    assert len(opened) == 1


def _scores(**by_views: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"views": views, SCORE: value, "seconds": 2.0}
            for views, values in by_views.items()
            for value in values
        ]
    ).replace({"views": {"none": NONE}})


def test_the_noise_is_pooled_over_candidates() -> None:
    advice = ranked(_scores(none=[9.0, 11.0], Crop=[20.0, 26.0], Jitter=[30.0, 30.0]))
    assert advice.table["views"].tolist() == ["Jitter", "Crop", NONE]
    assert advice.table[SCORE].tolist() == [30.0, 23.0, 10.0]
    assert advice.table["seconds"].tolist() == [4.0, 4.0, 4.0]
    assert advice.noise == pytest.approx(math.sqrt((2 + 18 + 0) / 3 / 2))


def test_the_recommendation_says_what_chance_may_have_done() -> None:
    """Differences up to 2 √2 standard errors are noise: 2.83 in the first advice."""
    close = ranked(_scores(none=[9.0, 11.0], Crop=[20.0, 22.0], Jitter=[22.0, 24.0]))
    assert close.noise == pytest.approx(1.0)
    assert close.level() == ["Crop"]
    assert close.recommendation == (
        "start with Jitter: effective rank 23.0, 10.0 without any view; "
        "as good within the noise between seeds: Crop"
    )
    clear = ranked(_scores(none=[9.9, 10.1], Crop=[20.0, 20.2], Jitter=[23.0, 23.2]))
    assert "every other candidate is below" in clear.recommendation
    single = ranked(_scores(none=[20.0], Crop=[10.0]))
    assert single.recommendation.startswith("start with no view: effective rank 20.0; one seed")
    assert single.noise is None
    assert single.level() == []


def test_a_pipeline_without_views_and_no_seeds_are_refused(
    tiny_store: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no views to rank"):
        tiny_advise(tiny_store, tmp_path, views=[])
    with pytest.raises(ValueError, match="seeds is 0"):
        tiny_advise(tiny_store, tmp_path, seeds=0)
