"""Pair whitening does what its formula says and refuses what it cannot use."""

import numpy as np
import pytest
from scipy.linalg import eigh
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from tsclr.embed.whitening import PairWhitening

d = 5


def pairs(n=400, seed=0):
    """Pairs that share a latent, after a fixed mixing of shared and private parts."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d)) * np.array([3.0, 2.0, 1.0, 0.5, 0.2])
    mixing = np.random.default_rng(1).normal(size=(d, d))
    return tuple((shared + rng.normal(size=(n, d))) @ mixing + 7 for _ in range(2))


def within_covariance(first, second):
    difference = first - second
    return difference.T @ difference / (2 * len(first))


def total_covariance(first, second):
    return np.cov(np.concatenate([first, second]).T, bias=True)


def test_full_whitening_makes_pairs_differ_by_the_identity():
    whitening = PairWhitening(alpha=0.0, power=1.0).fit(*pairs())
    outputs = [whitening.transform(member) for member in pairs()]
    np.testing.assert_allclose(within_covariance(*outputs), np.eye(d), atol=1e-10)
    np.testing.assert_allclose(
        total_covariance(*outputs), np.diag(whitening.eigenvalues_), atol=1e-10
    )
    assert (np.diff(whitening.eigenvalues_) < 0).all()


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("power", [0.0, 0.4, 1.0])
def test_projection_solves_the_generalised_eigenproblem(alpha, power):
    """S_t v = lambda S_w^power v with v^T S_w^power v = 1, against SciPy's own solver."""
    first, second = pairs()
    both = np.concatenate([first, second])
    first, second = ((member - both.mean(0)) / both.std(0) for member in (first, second))
    within = within_covariance(first, second)
    within += alpha * np.trace(within) / d * np.eye(d)
    values, vectors = np.linalg.eigh(within)
    within = vectors @ np.diag(values**power) @ vectors.T
    expected, v = eigh(total_covariance(first, second), within)
    fitted = PairWhitening(alpha, power).fit(*pairs())
    np.testing.assert_allclose(fitted.eigenvalues_, expected[::-1], rtol=1e-9)
    np.testing.assert_allclose(np.abs(fitted.projection_), np.abs(v[:, ::-1]), rtol=1e-6, atol=1e-9)


def test_power_zero_keeps_the_distances_of_standardised_features():
    first, second = pairs()
    both = np.concatenate([first, second])
    output = PairWhitening(power=0.0).fit(first, second).transform(first)
    standardised = (first - both.mean(0)) / both.std(0)
    np.testing.assert_allclose(output @ output.T, standardised @ standardised.T, atol=1e-9)


def test_output_does_not_depend_on_an_invertible_map_of_the_features():
    mixing = np.random.default_rng(3).normal(size=(d, d))
    outputs = [
        PairWhitening(alpha=0.0, power=1.0).fit(first, second).transform(first)
        for first, second in (pairs(), tuple(member @ mixing - 3 for member in pairs()))
    ]
    signs = np.sign((outputs[0] * outputs[1]).sum(0))
    np.testing.assert_allclose(outputs[0], outputs[1] * signs, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_units_of_features_do_not_matter_even_with_a_ridge(power):
    units = np.array([1e-4, 1.0, 1e6, 1e3, 1e-2])
    outputs = [
        PairWhitening(alpha=0.1, power=power).fit(first, second).transform(first)
        for first, second in (pairs(), tuple(member * units for member in pairs()))
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-7, atol=1e-7)


def test_planted_direction_is_found_behind_large_noise():
    """Pairs share one small latent; everything large differs within a pair."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=1000)
    loud = np.array([100.0, 50.0, 20.0, 10.0])
    mixing = rng.normal(size=(5, 5))
    first, second = (
        np.column_stack([latent + 0.1 * rng.normal(size=1000), rng.normal(size=(1000, 4)) * loud])
        @ mixing
        for _ in range(2)
    )
    output = PairWhitening(alpha=0.0, power=1.0, n_components=1).fit(first, second).transform(first)
    assert abs(np.corrcoef(output[:, 0], latent)[0, 1]) > 0.99


def test_a_few_labels_go_further_after_whitening():
    """Two classes that differ in a quiet direction which is stable within pairs."""
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=600)
    first, second = (
        np.column_stack([label + 0.1 * rng.normal(size=600), rng.normal(size=(600, 30))])
        for _ in range(2)
    )
    whitened = PairWhitening(power=1.0).fit(first, second).transform(first)
    few = np.concatenate([np.flatnonzero(label == k)[:5] for k in range(2)])
    scores = [
        LogisticRegression().fit(features[few], label[few]).score(features, label)
        for features in (first, whitened)
    ]
    assert scores[1] > scores[0] + 0.1
    assert scores[1] > 0.95


def test_components_are_the_first_of_all():
    every = PairWhitening().fit(*pairs())
    two = PairWhitening(n_components=2).fit(*pairs())
    np.testing.assert_allclose(
        two.transform(pairs()[0]), every.transform(pairs()[0])[:, :2], rtol=1e-12
    )


def test_float32_is_computed_in_double():
    first, second = (member.astype(np.float32) for member in pairs())
    narrow = PairWhitening().fit(first, second)
    wide = PairWhitening().fit(first.astype(np.float64), second.astype(np.float64))
    assert narrow.transform(first).dtype == np.float64
    np.testing.assert_array_equal(narrow.projection_, wide.projection_)


def test_constant_feature_drops_out():
    first, second = (np.insert(member, 2, np.float32(9.81), axis=1) for member in pairs())
    whitening = PairWhitening().fit(first, second)
    output = whitening.transform(first)
    moved = first.copy()
    moved[:, 2] += 1e6
    assert np.isfinite(output).all()
    np.testing.assert_array_equal(whitening.transform(moved), output)


def test_order_within_a_pair_does_not_matter():
    first, second = pairs()
    np.testing.assert_allclose(
        PairWhitening().fit(first, second).projection_,
        PairWhitening().fit(second, first).projection_,
        rtol=1e-9,
    )


def test_arrays_rebuild_the_map():
    whitening = PairWhitening(alpha=0.2, power=0.5, n_components=3).fit(*pairs())
    arrays = whitening.to_arrays()
    assert all(array.flags.c_contiguous for array in arrays.values())
    again = PairWhitening.from_arrays(arrays, **whitening.get_params())
    assert again.get_params() == whitening.get_params()
    np.testing.assert_array_equal(again.transform(pairs()[0]), whitening.transform(pairs()[0]))


def test_incomplete_or_unfitting_arrays_are_refused():
    arrays = PairWhitening().fit(*pairs()).to_arrays()
    with pytest.raises(KeyError, match="mean_"):
        PairWhitening.from_arrays({k: v for k, v in arrays.items() if k != "mean_"})
    for name in arrays:
        with pytest.raises(ValueError, match="do not fit together"):
            PairWhitening.from_arrays({**arrays, name: arrays[name][:-1]})
    with pytest.raises(ValueError, match="do not fit together"):
        PairWhitening.from_arrays({**arrays, "projection_": np.zeros(())})


def test_scikit_learn_conventions():
    whitening = PairWhitening(alpha=0.3, power=0.5, n_components=2)
    assert clone(whitening).get_params() == {"alpha": 0.3, "power": 0.5, "n_components": 2}
    first, second = pairs()
    np.testing.assert_allclose(
        whitening.fit_transform(first, second), whitening.transform(first), rtol=1e-12
    )


def test_unfitted_is_refused():
    with pytest.raises(NotFittedError):
        PairWhitening().transform(pairs()[0])
    with pytest.raises(NotFittedError):
        PairWhitening().to_arrays()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -0.1}, "alpha is -0.1"),
        ({"alpha": np.nan}, "alpha is nan"),
        ({"power": 1.5}, "power is 1.5"),
        ({"power": -1.0}, "power is -1.0"),
        ({"n_components": 0}, "n_components is 0, with 5 features"),
        ({"n_components": 6}, "n_components is 6, with 5 features"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PairWhitening(**settings).fit(*pairs())


def test_bad_pairs_are_refused():
    first, second = pairs()
    with pytest.raises(ValueError, match=r"\(400, 5\) and \(399, 5\)"):
        PairWhitening().fit(first, second[1:])
    with pytest.raises(ValueError, match=r"\(400, 5\) and \(400, 4\)"):
        PairWhitening().fit(first, second[:, 1:])
    with pytest.raises(ValueError, match="at least 2 pairs are needed, got 1"):
        PairWhitening().fit(first[:1], second[:1])
    with pytest.raises(ValueError, match=r"first has shape \(400,\)"):
        PairWhitening().fit(first[:, 0], second[:, 0])
    second[3, 1] = np.inf
    with pytest.raises(ValueError, match="second holds 1 values"):
        PairWhitening().fit(first, second)


def test_directions_without_difference_are_refused():
    first, _ = pairs()
    with pytest.raises(ValueError, match="in 5 of 5 directions"):
        PairWhitening().fit(first, first)
    first, second = (np.column_stack([member, member[:, 0]]) for member in pairs())
    with pytest.raises(ValueError, match="in 1 of 6 directions"):
        PairWhitening(alpha=0.0).fit(first, second)
    assert PairWhitening(alpha=0.01).fit(first, second).eigenvalues_[-1] == pytest.approx(0)


def test_bad_features_are_refused_at_transform():
    whitening = PairWhitening().fit(*pairs())
    with pytest.raises(ValueError, match="X has 4 features, the whitening was fitted on 5"):
        whitening.transform(pairs()[0][:, 1:])
    with pytest.raises(ValueError, match="X holds 2000 values"):
        whitening.transform(pairs()[0] * np.nan)
