"""Features of many windows in, one number out: agreement, spread, rank, dead units.

Every function takes a copy to the CPU in double precision, so that half precision, a GPU without
doubles and a graph that wants gradients all give the same number.
"""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from torch.nn.functional import normalize


def alignment(
    z1: Float[torch.Tensor, "..."], z2: Float[torch.Tensor, "..."], power: float = 2.0
) -> Float64[torch.Tensor, ""]:
    """Average the distance between the two members of a positive pair, on the unit sphere.

    ``mean of ||z1_n - z2_n|| ** power`` over the rows n of two (N, D) tensors, each scaled to unit
    length: 0 where positives coincide, 2 where they are orthogonal and 4 where they are opposite
    (for power 2).

    References
    ----------
    T. Wang and P. Isola, "Understanding contrastive representation learning through alignment and
    uniformity on the hypersphere", ICML 2020, section 4.1.2.

    Examples
    --------
    >>> alignment(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 5.0]])).item()
    2.0...
    """
    if z1.shape != z2.shape:
        raise ValueError(f"positives must pair up: shapes {tuple(z1.shape)} and {tuple(z2.shape)}")
    difference = normalize(_checked(z1, 1), dim=1) - normalize(_checked(z2, 1), dim=1)
    return difference.norm(dim=1).pow(power).mean()


def uniformity(z: Float[torch.Tensor, "..."], t: float = 2.0) -> Float64[torch.Tensor, ""]:
    """Measure how evenly rows spread over the unit sphere, by the log of a mean potential.

    ``log(mean over pairs n < m of exp(-t ||z_n - z_m|| ** 2))`` after each of N rows, two at least,
    is scaled to unit length: 0 where all rows coincide, and the lower the more evenly they are
    spread. Memory grows with the N (N - 1) / 2 pairs; a sample of a few thousand rows is enough.

    References
    ----------
    T. Wang and P. Isola, "Understanding contrastive representation learning through alignment and
    uniformity on the hypersphere", ICML 2020, section 4.1.2.

    Examples
    --------
    >>> uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item()  # one pair, distance 2
    -8.0
    """
    distance = torch.pdist(normalize(_checked(z, 2), dim=1))
    exponent = distance.square_().mul_(-t)
    return exponent.logsumexp(0) - math.log(len(exponent))


def effective_rank(h: Float[torch.Tensor, "..."]) -> Float64[torch.Tensor, ""]:
    """Count the directions that features use, by the entropy of the singular values.

    ``exp(-sum of p_k log p_k)`` with ``p_k = sigma_k / sum of sigma``, of an (N, D) matrix. Between
    1 (all rows lie on one line through the origin, or are 0) and min(N, D) (all directions used
    alike). The matrix is taken as it is, as in the paper; ``effective_rank(h - h.mean(0))`` leaves
    the mean out.

    References
    ----------
    O. Roy and M. Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO
    2007, definition 1.

    Examples
    --------
    >>> effective_rank(torch.eye(5)).item()
    5.0...
    """
    sigma = torch.linalg.svdvals(_checked(h, 1))
    # Of an all-zero matrix every p is then 0, not NaN, and the rank 1.
    p = sigma / sigma.sum().clamp_min(torch.finfo(sigma.dtype).tiny)
    return torch.special.entr(p).sum().exp()


def neighbour_agreement(
    z1: Float[torch.Tensor, "..."],
    z2: Float[torch.Tensor, "..."],
    compared: Bool[torch.Tensor, "..."],
) -> Float64[torch.Tensor, ""]:
    """Tell how often the neighbour of a window is nearer to it than another window is.

    Row n of `z2` is a neighbour in time of row n of `z1`. ``mean over n of P(cos(z1_n, z2_n) >
    cos(z1_n, z2_m))`` over the m that row n of `compared`, (N, N), allows, a tie counting one half:
    the area under the ROC curve of the cosine as a detector of neighbours, averaged over windows.
    1 where every neighbour is nearest, ½ where the representation says nothing or has collapsed.
    Rows without any comparison are left out, and the neighbour itself never is compared.

    Only the order of the cosines counts, so representations of any width and spread can be
    compared; a mean that all rows share is better taken out before. `compared` decides what is
    asked: windows of the same wearer alone, and knowing the wearer or the mounting does not help.
    Memory grows with N².

    Examples
    --------
    >>> anything = torch.ones(3, 3, dtype=torch.bool)
    >>> neighbour_agreement(torch.eye(3), torch.eye(3), anything).item()
    1.0
    >>> neighbour_agreement(torch.zeros(3, 3), torch.zeros(3, 3), anything).item()
    0.5
    """
    if z1.shape != z2.shape or compared.shape != (len(z1), len(z1)):
        raise ValueError(
            f"expected (N, D), (N, D) and (N, N), got shapes {tuple(z1.shape)}, {tuple(z2.shape)} "
            f"and {tuple(compared.shape)}"
        )
    cosine = normalize(_checked(z1, 1), dim=1) @ normalize(_checked(z2, 1), dim=1).T
    others = compared.cpu() & ~torch.eye(len(z1), dtype=torch.bool)
    count = others.sum(1)
    if not count.any():
        raise ValueError("no window has another one to be compared with: allow more in `compared`")
    margin = cosine.diagonal()[:, None] - cosine
    wins = (((margin > 0).double() + (margin >= 0)) / 2 * others).sum(1)
    return (wins[count > 0] / count[count > 0]).mean()


def dead_features(
    h: Float[torch.Tensor, "..."], threshold: float = 1e-3
) -> Int64[torch.Tensor, ""]:
    """Count the features that hardly change from window to window.

    A feature is dead if its standard deviation is at most `threshold` times its root mean square.
    The comparison is within the feature, so units and scales do not matter. A feature that is
    always zero is dead, and so is one that only repeats a constant.

    Examples
    --------
    >>> dead_features(torch.tensor([[0.0, 7.0, 1.0], [0.0, 7.0, -1.0]])).item()
    2
    """
    h = _checked(h, 2)
    spread = h.std(dim=0, correction=0)
    size = h.square().mean(dim=0).sqrt()
    # Equality counts: of a feature that is always 0 both sides are 0.
    return (spread <= threshold * size).sum()


def pair_diagnostics(
    first: Float[torch.Tensor, "..."], second: Float[torch.Tensor, "..."]
) -> dict[str, float]:
    """`effective_rank` and `uniformity` of the first of each pair, and `alignment` of the pairs.

    Row n of both is a positive pair. The mean of `first` is taken out of both.
    """
    # Features after a ReLU are positive: around 0 instead of their mean, windows look alike.
    centre = first.mean(0)
    return {
        "effective_rank": float(effective_rank(first - centre)),
        "alignment": float(alignment(first - centre, second - centre)),
        "uniformity": float(uniformity(first - centre)),
    }


def shortcut(
    h: Float[torch.Tensor, "..."], groups: Shaped[np.ndarray, " N"]
) -> Float64[torch.Tensor, ""] | None:
    """How well a linear classifier reads from features whom, or what device, a window is of.

    It is fitted on the first half of the windows of each group, a subject or a device, and scored
    on the second half, so windows have to come in the order of time. The balanced accuracy is
    scaled to 0 at chance and 1 where every window is classified correctly; None if fewer than two
    groups have four windows or more. A representation that solves the pairing by such a shortcut
    need not know what the wearer does.

    References
    ----------
    The classifier is a linear discriminant with the shrinkage of Ledoit and Wolf, "A
    well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate Analysis
    88 (2004).

    Examples
    --------
    >>> groups = np.repeat(["a", "b"], 8)
    >>> h = torch.tensor([[0.0, 1.0]]).repeat(8, 1)
    >>> shortcut(torch.cat([h, 1 - h]) + 0.01 * torch.randn(16, 2), groups).item()
    1.0
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import balanced_accuracy_score

    features = _checked(h, 1).numpy()
    by_group = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    by_group = [indices for indices in by_group if len(indices) >= 4]
    if len(by_group) < 2:
        return None
    # Halves in time: at random, overlapping windows would be in both.
    first = np.concatenate([indices[: len(indices) // 2] for indices in by_group])
    second = np.concatenate([indices[len(indices) // 2 :] for indices in by_group])
    scale = features[first].std(0)
    features = (features - features[first].mean(0)) / np.where(scale > 0, scale, 1)
    classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    classifier.fit(features[first], groups[first])
    accuracy = balanced_accuracy_score(groups[second], classifier.predict(features[second]))
    chance = 1 / len(by_group)
    return torch.tensor((accuracy - chance) / (1 - chance), dtype=torch.float64)


def _checked(h: torch.Tensor, min_rows: int) -> Float64[torch.Tensor, "N D"]:
    if h.ndim != 2 or len(h) < min_rows:
        raise ValueError(f"expected (N, D) with N of at least {min_rows}, got {tuple(h.shape)}")
    h = h.detach().to("cpu", torch.float64)
    n_bad = int((~h.isfinite()).sum())
    if n_bad:
        raise ValueError(
            f"{n_bad} of {h.numel()} values are not finite: look for a diverged training run"
        )
    return h
