"""Temporal neighbourhood coding: a discriminator separates neighbours in time from far windows."""

import torch
from jaxtyping import Bool, Float
from torch import nn
from torch.nn.functional import softplus

from tsclr.checks import check_fractions, check_not_negative, check_sizes
from tsclr.distributed import gather, masked_mean, own_rows, world_size
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent, require
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import at_least_float32

__all__ = ["TNC", "neighbourhood_coding"]


def neighbourhood_coding(
    near: Float[torch.Tensor, " N"],
    far: Float[torch.Tensor, " M"],
    counts: Bool[torch.Tensor, " M"],
    w: float = 0.05,
) -> Float[torch.Tensor, ""]:
    r"""Logistic loss of a discriminator that learns from positive and unlabelled pairs.

    With D the logistic function of a logit, the mean of ``-log D`` over neighbours, plus the mean
    of ``-(1 - w) · log(1 - D) - w · log D`` over those other pairs that count. These are not known
    to be negatives: activity comes back, and with probability w such a pair shows the same.

    Parameters
    ----------
    near : (N,) tensor
        Logits of pairs of neighbours.
    far : (M,) tensor
        Logits of pairs of windows and what may be a non-neighbour.
    counts : (M,) bool tensor
        Which of these are non-neighbours indeed. Under several processes the mean is over those of
        all.
    w : float
        Probability that a non-neighbour is a positive, from 0 to 1.

    Returns
    -------
    scalar tensor
        Sum of both means.

    Raises
    ------
    ValueError
        If `w` is outside 0 to 1.

    References
    ----------
    S. Tonekaboni, D. Eytan and A. Goldenberg, "Unsupervised representation learning for time
    series with temporal neighborhood coding", ICLR 2021, section 2, the objective with weights w.

    Examples
    --------
    A discriminator that knows nothing says 1/2 to both kinds of pairs, whatever w is.

    >>> near, far = torch.zeros(4), torch.zeros(3)
    >>> neighbourhood_coding(near, far, far == 0).item()  # 2 log 2
    1.386...
    """
    check_fractions(w=w)
    near, far = at_least_float32(near), at_least_float32(far)
    unlabelled = (1 - w) * softplus(far) + w * softplus(-far)
    return softplus(-near).mean() + masked_mean(unlabelled, counts)


class TNC(Objective):
    """Temporal neighbourhood coding: a discriminator tells neighbours from windows far off.

    The discriminator is an MLP on the representations of two windows side by side; its
    `neighbourhood_coding` is the one term. Views of a window are neighbours of each
    other, so the pairing says what a neighbourhood is (`tsclr.pairs.StationaryNeighbour`).
    Non-neighbours are windows drawn from the batch of all processes that lie in another recording
    or start more than `seconds` away; windows drawn that lie nearer do not count.

    Parameters
    ----------
    w : float
        Probability that a non-neighbour is a positive, from 0 to 1.
    seconds : float
        How far apart windows of one recording must start to be non-neighbours, s.
    n_negatives : int
        Windows drawn for each window.
    hidden : int
        Hidden units of the discriminator.

    Raises
    ------
    ValueError
        If `w` is outside 0 to 1, `seconds` is negative or infinite, or a size is below 1; on
        use, if the batch does not tell recordings and starts.

    References
    ----------
    S. Tonekaboni, D. Eytan and A. Goldenberg, "Unsupervised representation learning for time
    series with temporal neighborhood coding", ICLR 2021, section 2. Departures: non-neighbours are
    windows of the batch, also of other recordings, and not of the same recording alone; each view
    is a neighbour of every other, in both orders; no dropout in the discriminator.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = TNC().build(encoder, n_windows=1000)
    >>> starts = 100 * torch.arange(8).double() + torch.tensor([[0.0], [2.56]]).double()
    >>> views = [torch.randn(8, 6, 50), torch.randn(8, 6, 50)]
    >>> batch = Batch(views, starts=starts, recordings=torch.zeros(2, 8, dtype=torch.int64))
    >>> terms = objective(encoder, batch)
    >>> list(terms)
    ['neighbourhood_coding']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self, w: float = 0.05, seconds: float = 30.0, n_negatives: int = 20, hidden: int = 256
    ) -> None:
        super().__init__()
        check_fractions(w=w)
        check_not_negative(seconds=seconds)
        check_sizes(n_negatives=n_negatives, hidden=hidden)
        self.w = w
        self.seconds = seconds
        self.n_negatives = n_negatives
        self.hidden = hidden

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the discriminator."""
        self.discriminator = nn.Sequential(
            nn.Linear(2 * encoder.num_features, self.hidden), nn.ReLU(), nn.Linear(self.hidden, 1)
        )

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``neighbourhood_coding``."""
        starts = require(batch.starts, "starts", self)
        recordings = require(batch.recordings, "recordings", self)
        h = represent(encoder, batch.views)
        drawn, own_indices = (indices.to(h.device) for indices in self._drawn(batch))
        near, far, counts = [], [], []
        for shift in range(1, len(h)):
            neighbours, partner_recordings, partner_starts = (
                x.roll(-shift, 0) for x in (h, recordings, starts)
            )
            near.append(self._logits(h, neighbours))
            others = _of_all(neighbours)[:, drawn]
            far.append(self._logits(h[:, :, None].expand_as(others), others))
            apart = (_of_all(partner_starts)[:, drawn] - starts[..., None]).abs() > self.seconds
            elsewhere = _of_all(partner_recordings)[:, drawn] != recordings[..., None]
            # A window drawn for itself never counts, wherever its own partner lies.
            counts.append((apart | elsewhere) & (drawn != own_indices))
        loss = neighbourhood_coding(_flat(near), _flat(far), _flat(counts), self.w)
        return {"neighbourhood_coding": loss}

    def _drawn(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Windows of all processes drawn for each, (B, n_negatives), and its own number, (B, 1)."""
        n_windows = world_size() * len(batch)
        shape = (n_windows, self.n_negatives)
        drawn = torch.randint(n_windows, shape, generator=batch.generator)
        return own_rows(drawn), own_rows(torch.arange(n_windows)[:, None])

    def _logits(self, z: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """How much the discriminator takes pairs (..., D) for neighbours."""
        return self.discriminator(torch.cat([z, others], -1))[..., 0]


def _of_all(values: torch.Tensor) -> torch.Tensor:
    """What each view (V, B, ...) has, for the windows of all processes."""
    return gather(values.transpose(0, 1)).transpose(0, 1)


def _flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    """All values of some tensors one after another."""
    return torch.cat([tensor.flatten() for tensor in tensors])
