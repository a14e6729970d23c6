"""Instance discrimination: contrast with a memory bank that holds an embedding of every window."""

import math

import torch
from jaxtyping import Float, Int
from torch import nn
from torch.nn.functional import logsigmoid

from tsclr.checks import check_fractions, check_not_negative, check_positive, check_sizes
from tsclr.distributed import gather
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent, require
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import embed
from tsclr.objectives.infonce import log_sum_exp, unit

__all__ = ["InstanceDiscrimination", "instance_nce", "log_partition"]


def log_partition(
    z: Float[torch.Tensor, "N D"],
    noise: Float[torch.Tensor, "M D"],
    n_windows: int,
    temperature: float = 0.2,
) -> Float[torch.Tensor, " N"]:
    """Logarithm of the estimated normaliser of each embedding.

    ``Z_i = n / m · sum over k of exp(v_k·z_i / temperature)`` with m rows v drawn from a bank of n.

    Parameters
    ----------
    z : (N, D) tensor
        Embeddings of unit length.
    noise : (M, D) tensor
        Rows drawn from the bank.
    n_windows : int
        Rows of the bank.
    temperature : float
        Greater than 0.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0.

    References
    ----------
    Z. Wu, Y. Xiong, S. Yu and D. Lin, "Unsupervised feature learning via non-parametric instance
    discrimination", CVPR 2018, equation 8.

    Examples
    --------
    >>> log_partition(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), n_windows=10).exp()
    tensor([10.])
    """
    check_positive(temperature=temperature)
    return log_sum_exp(z / temperature, noise) + math.log(n_windows / len(noise))


def instance_nce(
    z: Float[torch.Tensor, "N D"],
    remembered: Float[torch.Tensor, "N D"],
    noise: Float[torch.Tensor, "M D"],
    log_z: Float[torch.Tensor, ""],
    n_windows: int,
    temperature: float = 0.2,
) -> Float[torch.Tensor, ""]:
    """Noise-contrastive estimate of which of n windows an embedding shows.

    With ``P(v|z) = exp(v·z / temperature) / Z`` and ``h(v) = P(v|z) / (P(v|z) + m / n)``, the
    probability that v is no noise, the loss is
    ``-log h(remembered) - sum over noise of log(1 - h(v))``.

    Parameters
    ----------
    z : (N, D) tensor
        Embeddings of unit length.
    remembered : (N, D) tensor
        Row of the bank for the window of each.
    noise : (M, D) tensor
        Rows drawn from the whole bank, uniformly; the same for all embeddings.
    log_z : scalar tensor
        Logarithm of the constant Z.
    n_windows : int
        Rows of the bank.
    temperature : float
        Greater than 0.

    Returns
    -------
    scalar tensor
        Mean over the embeddings.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0.

    References
    ----------
    Z. Wu, Y. Xiong, S. Yu and D. Lin, "Unsupervised feature learning via non-parametric instance
    discrimination", CVPR 2018, equations 4 to 7.

    Examples
    --------
    All rows are alike and Z is right: own row and noise cannot be told apart, h = 1 / 2.

    >>> z = torch.tensor([[1.0, 0.0]])
    >>> instance_nce(z, z, z, torch.tensor(10.0).log() + 1.0, n_windows=10, temperature=1.0).item()
    1.386...
    """
    check_positive(temperature=temperature)
    offset = log_z + math.log(len(noise) / n_windows)
    with torch.autocast(z.device.type, enabled=False):
        of_own = (z * remembered).sum(-1) / temperature - offset
        of_noise = z @ noise.T / temperature - offset
    return -(logsigmoid(of_own) + logsigmoid(-of_noise).sum(1)).mean()


class InstanceDiscrimination(Objective):
    """Every window is a class of its own, which a bank of remembered embeddings stands for.

    Each view is told apart by `instance_nce` from noise, drawn from a bank with one row of unit
    length for each training window, at first random. After a step the rows of its windows move to
    their embeddings. The constant Z comes from the first batch. The terms are ``instance_nce``
    and ``proximal``, which keeps embeddings near their rows (equations 9 and 10).

    Parameters
    ----------
    temperature : float
        Greater than 0; see `instance_nce`. Above 1 / log(windows), or an embedding equal to its
        row has a probability above 1, since Z is about the number of windows.
    n_noise : int
        Rows drawn as noise in each step (m).
    momentum : float
        Of the rows of the bank, from 0 to 1.
    proximal_weight : float
        Weight of ``proximal`` (λ of the paper), at least 0.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If a setting is out of range; on use, if the batch does not say which windows it shows.

    References
    ----------
    Z. Wu, Y. Xiong, S. Yu and D. Lin, "Unsupervised feature learning via non-parametric instance
    discrimination", CVPR 2018, section 3. Departures: the noise of a step is shared by its
    embeddings, which makes it one matrix product; rows move by a momentum of 0.5, as in the code
    published with the paper, by the mean embedding where a step shows a window several times; any
    number of views, each by itself; a temperature for thousands of windows, where the paper has
    0.07 for a million.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = InstanceDiscrimination().build(encoder, n_windows=1000)
    >>> batch = Batch([torch.randn(4, 6, 50)], windows=torch.tensor([[7, 3, 500, 999]]))
    >>> list(objective(encoder, batch))
    ['instance_nce', 'proximal']
    """

    n_views = 1
    bank: torch.Tensor
    log_z: torch.Tensor

    def __init__(
        self,
        temperature: float = 0.2,
        n_noise: int = 4096,
        momentum: float = 0.5,
        proximal_weight: float = 30.0,
        width: int = 128,
    ) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        check_fractions(momentum=momentum)
        check_not_negative(proximal_weight=proximal_weight)
        check_sizes(n_noise=n_noise, width=width)
        self.temperature = temperature
        self.n_noise = n_noise
        self.momentum = momentum
        self.proximal_weight = proximal_weight
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the linear head and a random bank."""
        self.head = nn.Linear(encoder.num_features, self.width)
        self.register_buffer("bank", unit(torch.randn(n_windows, self.width)))
        # Infinite until the first batch; a buffer, so that a resumed run keeps its constant.
        self.register_buffer("log_z", torch.tensor(torch.inf))
        # A list, as gradient accumulation calls `terms` several times a step; empty between steps,
        # when checkpoints are written.
        self.waiting: list[tuple[torch.Tensor, torch.Tensor]] = []

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Two terms, ``instance_nce`` and ``proximal``."""
        windows = require(batch.windows, "windows", self).flatten()
        z = unit(embed(self.head, represent(encoder, batch.views))).flatten(0, 1)
        drawn = torch.randint(len(self.bank), (self.n_noise,), generator=batch.generator)
        remembered, noise = self.bank[windows], self.bank[drawn.to(self.bank.device)]
        log_z = self._constant(z.detach(), noise)
        if self.training:
            self.waiting.append((gather(windows), gather(z.detach())))
        nce = instance_nce(z, remembered, noise, log_z, len(self.bank), self.temperature)
        proximal = (z - remembered).square().sum(1).mean()
        return {"instance_nce": nce, "proximal": self.proximal_weight * proximal}

    def after_step(self, encoder: Encoder) -> None:
        """Move the rows of the bank that the step has seen."""
        while self.waiting:
            _remember(self.bank, *self.waiting.pop(0), self.momentum)

    def _constant(
        self, z: Float[torch.Tensor, "N D"], noise: Float[torch.Tensor, "M D"]
    ) -> Float[torch.Tensor, ""]:
        """Logarithm of Z, the mean over the first batch of all processes."""
        if self.log_z.isfinite():
            return self.log_z
        estimates = gather(log_partition(z, noise, len(self.bank), self.temperature))
        # The mean is of Z, not of its logarithm (equation 8).
        log_z = estimates.logsumexp(0) - math.log(len(estimates))
        if self.training:
            self.log_z.copy_(log_z)
        return log_z


def _remember(
    bank: Float[torch.Tensor, "W D"],
    windows: Int[torch.Tensor, " N"],
    z: Float[torch.Tensor, "N D"],
    momentum: float,
) -> None:
    """Move rows of a bank to the mean embedding of their windows, in place."""
    # Plain assignment would keep only one embedding of a window that occurs twice.
    rows, group = windows.unique(return_inverse=True)
    mean = torch.zeros_like(bank[rows]).index_add(0, group, z) / group.bincount()[:, None]
    bank[rows] = unit(bank[rows].lerp(mean, 1 - momentum))
