"""What is watched of an epoch tells collapse, rest and shortcuts."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.training import tiny_pretrain
from tsclr.cli.output import LogLines
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.diagnostics import shortcut
from tsclr.encoders import CNN1d
from tsclr.pairs import Neighbour
from tsclr.train.batches import BatchBuilder, pipelines
from tsclr.train.monitor import (
    Bar,
    CollapseError,
    check_collapse,
    is_over,
    peak_memory,
    tensorboard,
    watch,
)
from tsclr.train.runs import METRICS
from tsclr.train.settings import Training

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def watched(tiny_store: Path) -> BatchBuilder:
    store = Store.open(tiny_store)
    windows = Windows.sliding(store, 128, 64)
    return BatchBuilder(pipelines([], store.channels), Neighbour(2.56), windows, CPU)


def test_the_same_pairs_are_watched_every_epoch(watched: BatchBuilder) -> None:
    torch.manual_seed(0)
    encoder = CNN1d(6, width=8).train()
    before = torch.get_rng_state()
    first = watch(encoder, watched, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert encoder.training
    torch.manual_seed(9)
    assert watch(encoder, watched, seed=3) == first
    assert -0.5 < first["subject_shortcut"] <= 1
    assert "device_shortcut" not in first  # one device alone


def test_devices_are_read_where_there_are_several(watched: BatchBuilder) -> None:
    table = watched.windows.store.recordings.copy()
    table["device"] = np.where(np.arange(len(table)) % 2, "watch", "phone")
    store = Store(
        watched.windows.store.signal,
        watched.windows.store.labels,
        table,
        watched.windows.store.channels,
        watched.windows.store.sample_rate,
        watched.windows.store.classes,
    )
    views = BatchBuilder(watched.pipelines, watched.pairing, Windows.sliding(store, 128, 64), CPU)
    assert "device_shortcut" in watch(CNN1d(6, width=8), views, seed=0)


def groups(n: int = 120) -> np.ndarray:
    return np.repeat(["a", "b", "c"], n // 3)


def test_a_feature_that_names_the_group_is_found() -> None:
    noise = torch.randn(120, 8, generator=torch.Generator().manual_seed(0))
    told = torch.nn.functional.one_hot(torch.arange(120) // 40, 3).float()
    assert float(shortcut(torch.cat([noise, 5 * told], 1), groups())) == pytest.approx(1)


def test_noise_tells_no_group() -> None:
    noise = torch.randn(1200, 8, generator=torch.Generator().manual_seed(0))
    assert abs(float(shortcut(noise, groups(1200)))) < 0.1


def test_what_holds_for_the_first_half_alone_is_no_shortcut() -> None:
    """A drift within each group: the classifier is scored on later windows."""
    h = torch.zeros(120, 2)
    for group in range(3):
        h[40 * group : 40 * group + 20, 0] = group
    h += 0.01 * torch.randn(120, 2, generator=torch.Generator().manual_seed(0))
    assert abs(float(shortcut(h, groups()))) < 0.2


def test_one_group_or_too_few_windows_tell_nothing() -> None:
    assert shortcut(torch.randn(8, 2), np.repeat("a", 8)) is None
    assert shortcut(torch.randn(6, 2), np.repeat(["a", "b"], 3)) is None


def row(rank: float, dead: int = 0) -> dict[str, float]:
    return {"epoch": 4, "effective_rank": rank, "dead_features": dead, "num_features": 16}


@pytest.mark.parametrize("bad", [row(1.2), row(9.0, dead=16)])
def test_a_collapse_is_told_with_advice(bad: dict[str, float]) -> None:
    with pytest.raises(CollapseError, match=r"epoch 4: effective rank .* of 16 .*NTXent"):
        check_collapse([row(9.0), bad], Training())


def test_health_is_no_collapse() -> None:
    check_collapse([], Training())
    check_collapse([row(1.2), row(9.0, dead=15)], Training())
    check_collapse([row(1.2)], Training(min_rank=0.0))


@pytest.mark.parametrize("setting", [{"min_rank": 1e6}])
def test_a_collapsed_run_stops_and_does_not_go_on(
    setting: dict[str, float], tiny_store: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        with pytest.raises(CollapseError, match="epoch 1"):
            tiny_pretrain(tiny_store, tmp_path / "run", resume=True, **setting)
    assert len((tmp_path / "run" / METRICS).read_text().splitlines()) == 1
    tiny_pretrain(tiny_store, tmp_path / "run", resume=True)  # min_rank may change
    assert len((tmp_path / "run" / METRICS).read_text().splitlines()) == 3


def test_it_is_over_when_the_rank_rises_no_more() -> None:
    rows = [row(rank) for rank in (3.0, 9.0, 8.0, 9.0)]
    over = [is_over(rows[:n], Training(patience=2)) for n in range(5)]
    assert over == [False, False, False, False, True]
    assert not is_over(rows, Training(epochs=5))
    assert is_over(rows, Training(epochs=4, patience=3))


def test_a_run_that_came_to_rest_stays_so(tiny_store: Path, tmp_path: Path) -> None:
    settings = {"epochs": 30, "patience": 1}
    out = tiny_pretrain(tiny_store, tmp_path / "run", **settings)
    lines = (out / METRICS).read_text().splitlines()
    ranks = [json.loads(line)["effective_rank"] for line in lines]
    assert len(ranks) < 30
    assert ranks[-1] <= ranks[-2]
    tiny_pretrain(tiny_store, out, resume=True, **settings)
    assert (out / METRICS).read_text().splitlines() == lines


def test_memory_is_told_in_mebibytes() -> None:
    assert 50 < peak_memory(CPU) < 2**17


def test_tensorboard_reads_what_is_written(tiny_store: Path, tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tiny_pretrain(tiny_store, tmp_path / "run", tensorboard=True)
    tiny_pretrain(tiny_store, out, resume=True, tensorboard=True)  # in place of the first
    rows = [json.loads(line) for line in (out / METRICS).read_text().splitlines()]
    read = events.EventAccumulator(str(out / "tensorboard"))
    read.Reload()
    found = read.Scalars("effective_rank")
    assert [each.step for each in found] == [1, 2, 3]
    assert [each.value for each in found] == pytest.approx([r["effective_rank"] for r in rows])


def test_tensorboard_sees_an_epoch_before_the_next(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with tensorboard(tmp_path, wanted=True) as show:
        for epoch in (1, 2):
            show([{"epoch": each, "loss": 1 / each} for each in range(1, epoch + 1)])
            read = events.EventAccumulator(str(tmp_path / "tensorboard"))
            read.Reload()
            assert [each.step for each in read.Scalars("loss")] == list(range(1, epoch + 1))


def test_progress_is_for_terminals_and_no_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with Bar(8, 0, shown=True) as bar:
        bar.show(8, 1.5, 100.0)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Bar(8, 0, shown=True) as bar:
        logging.getLogger("tsclr").addHandler(lines := LogLines())
        logging.getLogger("tsclr").warning("epoch 1 of 2")
        logging.getLogger("tsclr").removeHandler(lines)
        bar.show(8, 1.5, 100.0)
    told = capsys.readouterr()
    assert told.out == ""
    shown = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", told.err)
    assert "8/8 loss 1.500  100 windows/s" in shown
    assert "\repoch 1 of 2\n" in shown  # on a line of its own
    with Bar(8, 0, shown=False) as bar:
        bar.show(8, 1.5, 100.0)
    assert capsys.readouterr() == ("", "")


def test_without_tensorboard_it_says_what_to_install(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'tsclr\[tensorboard\]'"):
        tiny_pretrain(tiny_store, tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()
