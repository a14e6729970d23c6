"""Each view comes from its own pipeline, of its own positive, with its own channels."""

import logging

import numpy as np
import pytest
import torch

from tests.support.recordings import recording
from tsclr.augment import Chain, Jitter, Mixup, Scale
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.pairs import Neighbour, OtherDevice, OtherSensor, SameWindow
from tsclr.train.batches import BatchBuilder, pipelines, with_partners

CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
CPU = torch.device("cpu")


@pytest.fixture
def windows():
    store = Store.build([recording(400, "s1", channels=CHANNELS)])
    return Windows.sliding(store, 20, 10)


def seen(chains, pairing, windows, index):
    """What `Views` makes of windows and of partners drawn for them."""
    partners = [pairing.partner(index, windows) for _ in chains[1:]]
    members = torch.from_numpy(np.stack([index, *partners]))
    x = windows.take(members.flatten())
    return BatchBuilder(chains, pairing, windows, CPU)(members, x)


def test_a_list_is_for_both_views():
    weak = [Jitter(0.1)]
    first, second = pipelines(weak, CHANNELS)
    assert first.augmentations[0] is second.augmentations[0] is weak[0]
    assert weak[0].channels == CHANNELS


def test_named_pipelines_make_a_view_each(windows):
    named = pipelines({"plain": [], "louder": [Scale(0.0), Jitter(1.0)], "same": []}, CHANNELS)
    index = np.array([3, 0, 5])
    plain, louder, same = seen(named, SameWindow(), windows, index).views
    assert torch.equal(plain, windows.take(index))
    assert torch.equal(same, plain)
    assert 0.8 < (louder - plain).std() < 1.2


@pytest.mark.parametrize("views", [{}, {"only": [Jitter()]}])
def test_one_pipeline_by_name_is_refused(views):
    with pytest.raises(ValueError, match=f"views has {len(views)} named pipeline"):
        pipelines(views, CHANNELS)


def test_further_views_are_of_positives_drawn_each_for_itself(windows):
    torch.manual_seed(0)
    index = np.full(200, 10)
    three = pipelines({"a": [], "b": [], "c": []}, CHANNELS)
    own, *positives = seen(three, Neighbour(0.4), windows, index).views
    near = {tuple(windows[i].flatten().tolist()) for i in range(8, 13)}
    assert torch.equal(own, windows.take(index))
    for positive in positives:
        assert {tuple(window.flatten().tolist()) for window in positive} == near
    assert not torch.equal(*positives)


def test_a_view_of_one_sensor_has_nothing_of_the_others(windows):
    index = np.arange(8)
    noisy = pipelines([Jitter(1.0)], CHANNELS)
    acc, gyr = seen(noisy, OtherSensor("acc", "gyr"), windows, index).views
    assert not acc[:, 3:].any()
    assert not gyr[:, :3].any()
    assert acc[:, :3].all()
    assert gyr[:, 3:].all()


def test_windows_without_a_partner_are_left_out_and_counted(caplog):
    store = Store.build(
        [
            recording(100, "s1", device="wrist", start_time=10**18),
            recording(60, "s1", device="pocket", start_time=10**18),
        ]
    )
    windows = Windows.sliding(store, 20, 10)
    with caplog.at_level(logging.INFO):
        kept = with_partners(windows, OtherDevice(tolerance=0.0))
    assert kept.starts.tolist() == [0, 10, 20, 30, 40, 100, 110, 120, 130, 140]
    assert "4 of 14 windows have no partner and are left out" in caplog.text
    assert len(with_partners(windows, SameWindow())) == 14


def test_a_batch_tells_where_its_windows_lie(windows):
    index = np.array([3, 0, 5])
    batch = seen(pipelines([], CHANNELS), SameWindow(), windows, index)
    assert torch.equal(batch.windows, torch.tensor([[3, 0, 5]] * 2))
    assert batch.starts.tolist() == [[30 / 50, 0.0, 1.0]] * 2
    assert not batch.recordings.any()
    assert batch.labels is None


def test_labels_are_shown_to_those_who_read_them_alone():
    labels = np.repeat([0, -1, 1], [40, 20, 40])
    store = Store.build(
        [recording(100, "s1", channels=CHANNELS, labels=labels, classes=("slow", "fast"))]
    )
    windows = Windows.sliding(store, 20, 10)
    members = torch.arange(len(windows)).expand(2, -1)
    views = BatchBuilder(pipelines([], CHANNELS), SameWindow(), windows, CPU, reads_labels=True)
    told = views(members, windows.take(members.flatten())).labels
    assert told.tolist() == [0, 0, 0, -1, -1, -1, 1, 1, 1]


def test_views_that_mix_windows_are_refused(windows):
    mixing = pipelines([Jitter(), Chain([Mixup()])], CHANNELS)
    with pytest.raises(ValueError, match="Mixup mixes windows"):
        BatchBuilder(mixing, SameWindow(), windows, CPU)
