"""`TS2Vec`: the common steps of two crops of a window are contrasted at every time scale."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch.nn.functional import max_pool1d

from tsclr.checks import check_fractions, check_several
from tsclr.distributed import gather, own_rows, rank, world_size
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent_steps
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import at_least_float32, mean_of_others
from tsclr.objectives.crops import cropped, draw_crops, masked, samples_per_step
from tsclr.objectives.infonce import log_sum_exp

__all__ = ["TS2Vec", "hierarchical_contrast", "instance_contrast", "temporal_contrast"]


def temporal_contrast(z: Float[torch.Tensor, "V B D S"]) -> Float[torch.Tensor, ""]:
    r"""Tell each step from the other steps of the same window.

    The loss of anchor z_vbt and its positive z_wbt is ``-log(exp(z_vbt·z_wbt) / sum over all
    (u, r) != (v, t) of exp(z_vbt·z_ubr))``. With V = 2 this is equation 1 of the paper.

    Parameters
    ----------
    z : (V, B, D, S) tensor
        Representations of S common steps in V views of each window; not normalised.

    Returns
    -------
    scalar tensor
        Mean over all steps and their positives.

    References
    ----------
    Z. Yue et al., "TS2Vec: towards universal representation of time series", AAAI 2022,
    equation 1.

    Examples
    --------
    Two views of three steps, and nothing to tell them by: one of the five others is right.

    >>> temporal_contrast(torch.zeros(2, 4, 8, 3)).item()  # log(5)
    1.609...
    """
    z = at_least_float32(z)
    steps = z.permute(1, 0, 3, 2).flatten(1, 2)
    itself = torch.eye(steps.shape[1], dtype=torch.bool, device=z.device)
    with torch.autocast(z.device.type, enabled=False):
        similarity = (steps @ steps.mT).masked_fill(itself, -torch.inf)
    return similarity.logsumexp(-1).mean() - _positive(z)


def instance_contrast(z: Float[torch.Tensor, "V B D S"]) -> Float[torch.Tensor, ""]:
    r"""Tell each window from the other windows of the batch at the same step.

    The loss of anchor z_vbt and its positive z_wbt is ``-log(exp(z_vbt·z_wbt) / sum over all
    (u, m) != (v, b) of exp(z_vbt·z_umt))``. With V = 2 this is equation 2 of the paper. Under
    several processes the anchors are those of this process and the sum is over all windows.

    Parameters
    ----------
    z : (V, B, D, S) tensor
        Representations of S common steps in V views of each window; not normalised.

    Returns
    -------
    scalar tensor
        Mean over all steps and their positives.

    References
    ----------
    Z. Yue et al., "TS2Vec: towards universal representation of time series", AAAI 2022,
    equation 2.

    Examples
    --------
    Two views of four windows, and nothing to tell them by: one of the seven others is right.

    >>> instance_contrast(torch.zeros(2, 4, 8, 3)).item()  # log(7)
    1.945...
    """
    V, B, _, S = z.shape
    z = at_least_float32(z)
    # Windows first, along which `gather` joins; then a slice at t holds all views of all windows.
    steps = z.permute(1, 3, 0, 2)
    all_steps = gather(steps)
    itself = torch.arange(B * V, device=z.device)[:, None] + rank() * B * V
    sums = [
        log_sum_exp(steps[:, t].flatten(0, 1), all_steps[:, t].flatten(0, 1), excluded=itself)
        for t in range(S)
    ]
    return torch.stack(sums).mean() - _positive(z)


def _positive(z: torch.Tensor) -> torch.Tensor:
    """Mean similarity of each step with the same step in the other views."""
    return (z * mean_of_others(z)).sum(2).mean()


def hierarchical_contrast(
    z: Float[torch.Tensor, "V B D S"],
) -> tuple[Float[torch.Tensor, ""], Float[torch.Tensor, ""]]:
    """Both contrasts at every time scale: steps, then pairs of steps and so on up to the whole.

    Each level is the maximum over pairs of steps of the level below; of an odd number the last
    step is left out. At the top there is one step, which has no other to be told from: its
    temporal contrast is 0.

    Parameters
    ----------
    z : (V, B, D, S) tensor
        Representations of S common steps in V views of each window.

    Returns
    -------
    instance, temporal : scalar tensors
        `instance_contrast` and `temporal_contrast`, averaged over the levels.

    Raises
    ------
    ValueError
        If there are fewer than two views, windows or steps.

    References
    ----------
    Z. Yue et al., "TS2Vec: towards universal representation of time series", AAAI 2022,
    algorithm 1.

    Examples
    --------
    >>> instance, temporal = hierarchical_contrast(torch.zeros(2, 4, 8, 2))
    >>> instance.item()  # log(7) on both levels
    1.945...
    >>> temporal.item()  # (log(3) + 0) / 2
    0.549...
    """
    V, B, _, S = z.shape
    check_several(views=V, windows=B, steps=S)
    levels = [z]
    while levels[-1].shape[-1] > 1:
        levels.append(max_pool1d(levels[-1].flatten(0, 1), 2).unflatten(0, (V, B)))
    instance = torch.stack([instance_contrast(level) for level in levels])
    temporal = torch.stack([temporal_contrast(level) for level in levels[:-1]])
    # The published code divides both by all levels, though the top one has no temporal contrast.
    return instance.mean(), temporal.sum() / len(levels)


class TS2Vec(Objective):
    """Steps that two crops of a window have in common are alike, whatever surrounds them.

    The views show the same window, aligned in time. Every other view takes the first crop and the
    rest the second; they begin a whole number of encoder steps apart, so that the common steps of
    their maps are made of the same samples, and a shift by any number of samples is drawn for each
    window. Some samples are masked. The common steps go into `hierarchical_contrast`::

        window        ░░░╷░░░░░░░░╷░░░░░░░░╷░░░░░░░░╷░░░░░░░░╷░░░░░░   ╷ a step
        first crop       ├────────┼════════╪════════┤                  ║ in the loss
        second crop               ├════════╪════════┼────────┤
                     ←shift→

    There are no weights but the encoder's: the loss takes its feature map as it is.

    Parameters
    ----------
    instance_weight : float
        Weight of ``instance``, from 0 to 1; ``temporal`` has the rest (alpha in the paper's code).
    mask_fraction : float
        Probability with which a sample is masked, from 0 to 1.

    Raises
    ------
    ValueError
        If one of them is outside 0 to 1; in `build`, if the encoder's steps are not evenly spaced;
        on use, if windows have fewer than two steps.

    References
    ----------
    Z. Yue et al., "TS2Vec: towards universal representation of time series", AAAI 2022, equations 1
    to 3 and algorithm 1. Departures: the encoder may have a stride, so that a step is several
    samples and the scales begin there; masked samples are replaced by the mean of their channel
    over the crop, where the paper sets latent vectors to 0 after a layer of its own encoder; views
    may be augmented besides; any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = TS2Vec().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['instance', 'temporal']
    >>> sum(terms.values()).backward()
    """

    def __init__(self, instance_weight: float = 0.5, mask_fraction: float = 0.5) -> None:
        super().__init__()
        check_fractions(instance_weight=instance_weight, mask_fraction=mask_fraction)
        self.instance_weight = instance_weight
        self.mask_fraction = mask_fraction

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Measure the stride of the encoder."""
        self.stride = samples_per_step(encoder)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Two terms, ``instance`` and ``temporal``."""
        B, _, T = batch.views[0].shape
        if T // self.stride < 2:
            raise ValueError(
                f"windows have {T} samples, TS2Vec needs at least {2 * self.stride}: two steps of "
                "the encoder's feature map"
            )
        begin, start, stop, end = draw_crops(T // self.stride, batch.generator)
        # One shift moves both crops, so the span of both has to fit.
        latest = T - (end - begin) * self.stride
        shift = torch.randint(latest + 1, (world_size() * B,), generator=batch.generator)
        first = own_rows(shift).to(batch.views[0].device)
        second = first + (start - begin) * self.stride
        maps = [
            self._encode(encoder, batch.views[0::2], first, stop - begin, batch.generator),
            self._encode(encoder, batch.views[1::2], second, end - start, batch.generator),
        ]
        n_common = stop - start
        common = torch.cat([maps[0][..., -n_common:], maps[1][..., :n_common]])
        instance, temporal = hierarchical_contrast(common)
        weight = self.instance_weight
        return {"instance": weight * instance, "temporal": (1 - weight) * temporal}

    def _encode(
        self,
        encoder: Encoder,
        views: Sequence[torch.Tensor],
        first: torch.Tensor,
        n_steps: int,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Maps (V, B, D, n_steps) of masked crops that begin at the samples `first`."""
        crops = (cropped(view, first, n_steps * self.stride) for view in views)
        return represent_steps(
            encoder, [masked(crop, self.mask_fraction, generator) for crop in crops]
        )
