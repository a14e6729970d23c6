import numpy as np
import pytest

from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.explore.advise import FAR, N_SCORED, NEAR, LabelFreeScorer
from tsclr.types import Recording


def _still(*lengths: int, subject: str = "1") -> Store:
    channels = ("acc_x", "acc_y", "acc_z")
    return Store.build(
        Recording(
            signal=np.zeros((length, 3), np.float32),
            sample_rate=50.0,
            channels=channels,
            subject=subject,
            name=str(number),
        )
        for number, length in enumerate(lengths)
    )


def test_neighbours_follow_without_touching_and_within_the_stretch() -> None:
    windows = Windows.sliding(_still(1000, 400), 100, 50)
    scorer = LabelFreeScorer.from_windows(windows)
    assert (scorer.second - scorer.first == 2 * NEAR).all()
    rows = windows.rows()
    assert (rows[scorer.first] == rows[scorer.second]).all()
    assert scorer.first.tolist() == [*range(19 - 4), 19, 20, 21]


def test_a_neighbour_is_compared_with_distant_windows_of_the_same_wearer() -> None:
    signal = np.zeros((1500, 3), np.float32)
    store = Store.build(
        Recording(
            signal=signal,
            sample_rate=50.0,
            channels=("acc_x", "acc_y", "acc_z"),
            subject=subject,
            name=name,
        )
        for subject, name in (("1", "a"), ("1", "b"), ("2", "c"))
    )
    windows = Windows.sliding(store, 100, 100)
    scorer = LabelFreeScorer.from_windows(windows)
    names, subjects = windows.store.recordings["name"].to_numpy(), windows.subjects
    compared = scorer.compared()
    for n, one in enumerate(scorer.first):
        for m, other in enumerate(scorer.second):
            distant = (
                names[windows.rows()[one]] != names[windows.rows()[other]]
                or abs(windows.starts[one] - windows.starts[other]) > FAR * 100
            )
            assert compared[n, m] == (distant and subjects[one] == subjects[other])


def test_no_more_windows_than_needed_are_scored() -> None:
    scorer = LabelFreeScorer.from_windows(Windows.sliding(_still(30_000), 10, 10))
    assert len(scorer.first) == N_SCORED
    assert (np.diff(scorer.first) > 0).all()
    assert (scorer.second - scorer.first == NEAR).all()


def test_recordings_too_short_for_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="do not touch"):
        LabelFreeScorer.from_windows(Windows.sliding(_still(250, 250), 100, 50))
