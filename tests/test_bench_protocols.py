import numpy as np
import pytest

from tsclr.bench.protocols import (
    GroupKFold,
    LeaveOneDatasetOut,
    LeaveOneSubjectOut,
    Official,
    Protocol,
    RandomWindows,
)
from tsclr.specs import subclasses

SUBJECTS = [str(number) for number in range(1, 12)]


KINDS = [
    kind
    for kind in subclasses(Protocol).values()
    if kind not in (LeaveOneDatasetOut, RandomWindows)
]


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_on_two_sides_and_nobody_is_lost(kind: type[Protocol]) -> None:
    for split in kind().splits(SUBJECTS, ["2", "9"]).values():
        everybody = [*split.train, *split.validation, *split.test]
        assert sorted(everybody) == sorted(SUBJECTS)
        assert split.train
        assert split.validation
        assert split.test


@pytest.mark.parametrize("protocol", [LeaveOneSubjectOut(), GroupKFold(4), GroupKFold(11)])
def test_everybody_is_tested_once(protocol: Protocol) -> None:
    splits = protocol.splits(SUBJECTS, [])
    assert sorted(name for split in splits.values() for name in split.test) == sorted(SUBJECTS)


def test_the_official_test_subjects_are_kept() -> None:
    (split,) = Official().splits(SUBJECTS, ["2", "9"]).values()
    assert split.test == ("2", "9")


def test_another_seed_draws_other_groups() -> None:
    first, second = (GroupKFold(3, seed=seed).splits(SUBJECTS, []) for seed in (0, 1))
    assert first != second
    assert first == GroupKFold(3, seed=0).splits(SUBJECTS[::-1], [])


@pytest.mark.parametrize("kind", KINDS)
def test_one_subject_is_too_few(kind: type[Protocol]) -> None:
    with pytest.raises(ValueError, match=r"subject"):
        kind().splits(["1"], ["1"])


def test_impossible_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="n_folds is 1, it must be at least 2"):
        GroupKFold(1)
    with pytest.raises(ValueError, match="12 folds cannot be made of 11 subjects"):
        GroupKFold(12).splits(SUBJECTS, [])


def test_random_parts_are_of_one_size_and_drawn() -> None:
    protocol = RandomWindows(test=0.3)
    groups = protocol.groups(["one"] * 100)
    assert set(np.unique(groups, return_counts=True)[1]) == {5}
    assert groups.tolist() != sorted(groups.tolist())
    (split,) = protocol.splits(sorted(set(groups.tolist())), []).values()
    assert np.isin(groups, split.test).mean() == pytest.approx(0.3)
