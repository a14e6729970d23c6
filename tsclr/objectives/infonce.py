"""Embeddings in, InfoNCE out: its denominator in chunks, and the losses that objectives share."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch.nn.functional import cross_entropy, normalize

from tsclr.checks import check_positive, check_several
from tsclr.distributed import gather, own_rows, rank
from tsclr.objectives.blocks import at_least_float32, mean_of_others

BLOCK = 2**21
"""Similarities that `log_sum_exp` holds at once: 8 MiB in single precision."""


def unit(z: Float[torch.Tensor, "... D"]) -> Float[torch.Tensor, "... D"]:
    """Embeddings at unit length, in single precision at least.

    Examples
    --------
    >>> unit(torch.tensor([3.0, 4.0], dtype=torch.bfloat16))
    tensor([0.6000, 0.8000])
    """
    return normalize(at_least_float32(z), dim=-1)


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, keys: torch.Tensor, excluded: torch.Tensor
    ) -> torch.Tensor:
        blocks = _blocks(query, keys, excluded)
        sums = torch.cat([_similarity(q, keys, e).logsumexp(1) for q, e in blocks])
        ctx.save_for_backward(query, keys, excluded, sums)
        return sums

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        query, keys, excluded, sums = ctx.saved_tensors
        of_query, of_keys, low = torch.empty_like(query), torch.zeros_like(keys), 0
        # Autocast is as the caller of `backward` has it, whatever it was in the forward pass.
        with torch.autocast(query.device.type, enabled=False):
            for q, e in _blocks(query, keys, excluded):
                chunk = slice(low, low + len(q))
                # The gradient of log-sum-exp is the softmax, computed again rather than stored.
                share = _similarity(q, keys, e).sub_(sums[chunk, None]).exp_()
                share.mul_(gradients[0][chunk, None])
                torch.mm(share, keys, out=of_query[chunk])
                of_keys.addmm_(share.T, q)
                low += len(q)
        return of_query, of_keys, None


def _blocks(query: torch.Tensor, keys: torch.Tensor, excluded: torch.Tensor) -> Any:
    """Rows of the query, and what they exclude, a few at a time."""
    n_rows = max(1, BLOCK // len(keys))
    return zip(query.split(n_rows), excluded.split(n_rows), strict=True)


def _similarity(query: torch.Tensor, keys: torch.Tensor, excluded: torch.Tensor) -> torch.Tensor:
    """Dot products, minus infinity where excluded."""
    # Indices rather than a mask, which would add a quarter to the memory of the block.
    return (query @ keys.T).scatter_(1, excluded, -torch.inf)


def log_sum_exp(
    query: Float[torch.Tensor, "N D"],
    keys: Float[torch.Tensor, "M D"],
    excluded: Int[torch.Tensor, "N E"] | None = None,
) -> Float[torch.Tensor, " N"]:
    """Sum over keys under the logarithm: ``log sum over k of exp(query_n · keys_k)``.

    The N·M similarities are made a block of rows at a time and again for the gradient, so that
    memory does not grow with N·M, as in FlashAttention (Dao et al., NeurIPS 2022, section 3.1). It
    is computed in single precision at least, also under mixed precision.

    Examples
    --------
    >>> log_sum_exp(torch.zeros(1, 2), torch.ones(3, 2)).item()  # log(3)
    1.098...
    """
    if excluded is None:
        excluded = torch.empty(len(query), 0, dtype=torch.int64, device=query.device)
    with torch.autocast(query.device.type, enabled=False):
        return _LogSumExp.apply(at_least_float32(query), at_least_float32(keys), excluded)  # type: ignore[no-any-return]


def anchors_and_keys(
    z: Float[torch.Tensor, "V B D"], temperature: float
) -> tuple[Float[torch.Tensor, "B V D"], Float[torch.Tensor, "M V D"], Int[torch.Tensor, "B V"]]:
    """What a contrast of all views of a batch compares: anchors with those of all processes.

    ``ValueError`` if there are fewer than two views or windows, or `temperature` is not above 0.
    """
    V, B, _ = z.shape
    check_several(views=V, windows=B)
    check_positive(temperature=temperature)
    # Anchors are keys as well: each gets the root, so that dot products get 1 / temperature.
    anchors = unit(z.transpose(0, 1)) / temperature**0.5
    keys = gather(anchors)
    # Number of each anchor among all keys, by which a loss leaves it out of its own sum.
    columns = torch.arange(len(keys) * V, device=z.device).unflatten(0, (-1, V))
    return anchors, keys, own_rows(columns)


def nt_xent(z: Float[torch.Tensor, "V B D"], temperature: float = 0.2) -> Float[torch.Tensor, ""]:
    r"""Normalised temperature-scaled cross entropy over all views of a batch.

    With the V·B embeddings normalised to unit length, the loss of anchor i and its positive j is
    ``-log(exp(z_i·z_j / temperature) / sum over k != i of exp(z_i·z_k / temperature))``,
    averaged over all anchors and all their positives. With V = 2 this is equation 1 of the paper.
    With V > 2 every ordered pair of views of a window is a positive pair, and the denominator
    always holds all V·B - 1 other embeddings. Under several processes the anchors are those of
    this process and the denominator holds the embeddings of all.

    Parameters
    ----------
    z : (V, B, D) tensor
        Embeddings; ``z[:, b]`` are the views of window b. They need not be normalised.
    temperature : float
        Greater than 0. Small values make the nearest negatives count most.

    Returns
    -------
    scalar tensor
        Mean over V·B·(V - 1) positive pairs.

    Raises
    ------
    ValueError
        If there are fewer than two views or windows, or `temperature` is not greater than 0.

    References
    ----------
    T. Chen, S. Kornblith, M. Norouzi and G. Hinton, "A simple framework for contrastive learning
    of visual representations", ICML 2020, equation 1.

    Examples
    --------
    Two windows in opposite directions, both views equal: each anchor has its positive at
    similarity 1 and two negatives at -1.

    >>> z = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]).expand(2, 2, 2)
    >>> nt_xent(z, temperature=1.0).item()  # log(1 + 2 exp(-2))
    0.239...
    """
    z, keys, own_columns = anchors_and_keys(z, temperature)
    denominator = log_sum_exp(
        z.flatten(0, 1), keys.flatten(0, 1), excluded=own_columns.flatten()[:, None]
    )
    # Dot products are linear: one with the mean positive is the mean over all positives.
    positive = (z * mean_of_others(z, axis=1)).sum(-1)
    return denominator.mean() - positive.mean()


def step_nce(
    predicted: Float[torch.Tensor, "B N D"], steps: Float[torch.Tensor, "B N D"]
) -> Float[torch.Tensor, ""]:
    r"""InfoNCE of predictions: each is told which window the step that came belongs to.

    ``-log(exp(p_bn·z_bn) / sum over windows m of exp(p_bn·z_mn))``, averaged over windows b and
    predictions n. The negatives are the same step of the other windows, of all processes; other
    steps of the same window do not count.

    References
    ----------
    A. van den Oord, Y. Li and O. Vinyals, "Representation learning with contrastive predictive
    coding", arXiv:1807.03748, 2018, equation 4, with the density ratio of equation 3.

    Examples
    --------
    Two windows whose step is predicted alike well, as 1 against 0:

    >>> steps = torch.eye(2)[:, None]
    >>> step_nce(steps, steps).item()  # log(1 + exp(-1))
    0.313...
    """
    with torch.autocast(predicted.device.type, enabled=False):
        predicted, steps = at_least_float32(predicted), gather(at_least_float32(steps))
        # `cross_entropy` expects the classes, here the windows m, on axis 1.
        similarity = torch.einsum("bnd,mnd->bmn", predicted, steps)
        target = torch.arange(len(predicted), device=steps.device) + rank() * len(predicted)
        return cross_entropy(similarity, target[:, None].expand(-1, steps.shape[1]))
