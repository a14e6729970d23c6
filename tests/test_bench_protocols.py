import numpy as np
import pytest

from tsclr.bench.protocols import (
    GivenSubjects,
    GroupKFold,
    LeaveOneSubjectOut,
    Official,
    Protocol,
    RandomValidation,
    RandomWindows,
)

SUBJECTS = [str(number) for number in range(1, 12)]


PROTOCOLS = [Official(), GivenSubjects(["2", "9"]), LeaveOneSubjectOut(), GroupKFold()]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_nobody_is_on_two_sides_and_nobody_is_lost(protocol: Protocol) -> None:
    for split in protocol.splits(SUBJECTS, ["2", "9"]).values():
        everybody = [*split.train, *split.validation, *split.test]
        assert sorted(everybody) == sorted(SUBJECTS)
        assert split.train
        assert split.validation
        assert split.test


@pytest.mark.parametrize("protocol", [LeaveOneSubjectOut(), GroupKFold(4), GroupKFold(11)])
def test_everybody_is_tested_once(protocol: Protocol) -> None:
    splits = protocol.splits(SUBJECTS, [])
    assert sorted(name for split in splits.values() for name in split.test) == sorted(SUBJECTS)


@pytest.mark.parametrize("protocol", PROTOCOLS[:2])
def test_the_test_subjects_are_those_named(protocol: Protocol) -> None:
    (split,) = protocol.splits(SUBJECTS, ["2", "9"]).values()
    assert split.test == ("2", "9")


def test_another_seed_draws_other_groups() -> None:
    first, second = (GroupKFold(3, seed=seed).splits(SUBJECTS, []) for seed in (0, 1))
    assert first != second
    assert first == GroupKFold(3, seed=0).splits(SUBJECTS[::-1], [])


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_one_subject_is_too_few(protocol: Protocol) -> None:
    with pytest.raises(ValueError, match=r"subject"):
        protocol.splits(["1"], ["1"])


def test_only_the_first_folds_where_all_are_too_many() -> None:
    few = LeaveOneSubjectOut(max_folds=2).splits(SUBJECTS, [])
    assert list(few) == ["subject 1", "subject 2"]
    with pytest.raises(ValueError, match="max_folds is 0, it must be at least 1"):
        GroupKFold(2, max_folds=0)


def test_impossible_folds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"test is 1\.5, it must be a share between 0 and 1"):
        RandomWindows(test=1.5)
    with pytest.raises(ValueError, match="no test subject '12'"):
        GivenSubjects(["12"]).splits(SUBJECTS, [])
    with pytest.raises(ValueError, match="no test subjects are documented: name them"):
        RandomValidation().splits(SUBJECTS, [])
    with pytest.raises(ValueError, match="n_folds is 1, it must be at least 2"):
        GroupKFold(1)
    with pytest.raises(ValueError, match="cannot make 12 folds of 11 subjects"):
        GroupKFold(12).splits(SUBJECTS, [])


def test_random_parts_are_of_one_size_and_drawn() -> None:
    protocol = RandomWindows(test=0.3)
    groups = protocol.groups(["one"] * 100, [])
    assert set(np.unique(groups, return_counts=True)[1]) == {5}
    assert groups.tolist() != sorted(groups.tolist())
    (split,) = protocol.splits(sorted(set(groups.tolist())), []).values()
    assert np.isin(groups, split.test).mean() == pytest.approx(0.3)


@pytest.mark.parametrize("protocol", [RandomValidation(), RandomValidation(test=["2", "9"])])
def test_random_validation_keeps_the_test_subjects_whole(protocol: RandomValidation) -> None:
    wearers = np.repeat(SUBJECTS, 100)
    groups = protocol.groups(wearers.tolist(), ["2", "9"])
    (split,) = protocol.splits(sorted(set(groups.tolist())), ["2", "9"]).values()
    assert split.test == ("2", "9")
    assert np.array_equal(np.isin(groups, split.test), np.isin(wearers, ["2", "9"]))
    validated = np.isin(groups, split.validation)
    assert validated.sum() == 0.2 * 900
    assert set(wearers[validated]) == set(wearers[np.isin(groups, split.train)])
