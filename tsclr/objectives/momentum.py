"""Momentum contrast: keys come from an averaged copy of the encoder, negatives from a queue."""

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_fractions, check_positive, check_several, check_sizes
from tsclr.distributed import gather
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import averaged_copy, ema_update, embed, projector
from tsclr.objectives.infonce import log_sum_exp, unit

__all__ = ["MoCo", "momentum_contrast"]


def momentum_contrast(
    query: Float[torch.Tensor, "V B D"],
    keys: Float[torch.Tensor, "V B D"],
    queue: Float[torch.Tensor, "K D"],
    temperature: float = 0.07,
) -> Float[torch.Tensor, ""]:
    """InfoNCE of queries against their own key and a queue of other keys.

    The loss of a query q and its key k₊ is ``-log(exp(q·k₊ / temperature) / (exp(q·k₊ /
    temperature) + sum over the queue of exp(q·k / temperature)))``. The queries of each view are
    scored against the keys of every other view of the window.

    Parameters
    ----------
    query : (V, B, D) tensor
        Embeddings of the trained encoder. They need not be normalised.
    keys : (V, B, D) tensor
        Embeddings of its averaged copy, of the same views.
    queue : (K, D) tensor
        Keys of earlier batches, the negatives. With none, the loss is 0.
    temperature : float
        Greater than 0.

    Returns
    -------
    scalar tensor
        Mean over V·(V - 1)·B pairs of a query and a key.

    Raises
    ------
    ValueError
        If there are fewer than two views or `temperature` is not greater than 0.

    References
    ----------
    K. He, H. Fan, Y. Wu, S. Xie and R. Girshick, "Momentum contrast for unsupervised visual
    representation learning", CVPR 2020, equation 1. Departure: all ordered pairs of views, where
    the paper has the queries of one view and the keys of the other.

    Examples
    --------
    Queries equal their keys, and one key in the queue is at right angles to them.

    >>> z = torch.tensor([[[1.0, 0.0]]]).expand(2, 3, 2)
    >>> momentum_contrast(z, z, torch.tensor([[0.0, 1.0]]), temperature=1.0).item()
    0.313...
    """
    V = len(query)
    check_several(views=V)
    check_positive(temperature=temperature)
    query, keys, queue = (unit(z) / temperature**0.5 for z in (query, keys, queue))
    positive = (query[:, None] * keys[None]).sum(-1)
    # An empty queue: the logarithm of an empty sum, which makes the loss 0.
    negative = query.new_full(query.shape[:2], -torch.inf)
    if len(queue):
        negative = log_sum_exp(query.flatten(0, 1), queue).unflatten(0, query.shape[:2])
    losses = torch.logaddexp(positive, negative[:, None]) - positive
    return losses[~torch.eye(V, dtype=torch.bool, device=losses.device)].mean()


class MoCo(Objective):
    """Momentum contrast: keys of an averaged copy, told apart from a queue of earlier keys.

    The copies of the encoder and of the projector follow the trained ones after every step, and
    the keys of that step, of all views and all processes, then enter the queue; the oldest leave.
    The queue starts empty, so that no random key is ever a negative: the loss of the first step is
    0, and it grows until the queue is full. `momentum_contrast` is the one term.

    Parameters
    ----------
    temperature : float
        Greater than 0; see `momentum_contrast`.
    momentum : float
        Of the averaged copies, from 0 to 1.
    queue : int
        Keys that are remembered; it need not be a multiple of the batch.
    hidden : int
        Hidden units of the projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0, `momentum` is outside 0 to 1, or a size is below 1.

    References
    ----------
    K. He, H. Fan, Y. Wu, S. Xie and R. Girshick, "Momentum contrast for unsupervised visual
    representation learning", CVPR 2020, section 3 and algorithm 1. Departures: every view gives
    queries and keys; BatchNorm over the batch of all processes in place of shuffled batches; a
    projector with a hidden layer, as in MoCo v2 (Chen et al. 2020), with BatchNorm in it;
    momentum 0.99 and 4096 keys for short runs, where the paper has 0.999 and 65,536.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = MoCo(queue=20).build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> objective.after_step(encoder)
    >>> list(terms), len(objective.memory.held())
    (['momentum_contrast'], 16)
    """

    def __init__(
        self,
        temperature: float = 0.07,
        momentum: float = 0.99,
        queue: int = 4096,
        hidden: int = 256,
        width: int = 128,
    ) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        check_fractions(momentum=momentum)
        check_sizes(queue=queue, hidden=hidden, width=width)
        self.temperature = temperature
        self.momentum = momentum
        self.queue = queue
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the projector, the copies and an empty queue."""
        self.projector = projector(encoder.num_features, self.hidden, self.width)
        self.key_encoder = averaged_copy(encoder)
        self.key_projector = averaged_copy(self.projector)
        self.memory = Queue(self.queue, self.width)
        # A list, as gradient accumulation calls `terms` several times a step: all micro-batches
        # see the same queue.
        self.waiting: list[torch.Tensor] = []

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``momentum_contrast``."""
        query = embed(self.projector, represent(encoder, batch.views))
        with torch.no_grad():
            keys = unit(embed(self.key_projector, represent(self.key_encoder, batch.views)))
            if self.training:
                self.waiting.append(gather(keys.transpose(0, 1)).flatten(0, 1))
        loss = momentum_contrast(query, keys, self.memory.held(), self.temperature)
        return {"momentum_contrast": loss}

    def after_step(self, encoder: Encoder) -> None:
        """Move the copies; the keys of the step enter the queue."""
        ema_update(self.key_encoder, encoder, self.momentum)
        ema_update(self.key_projector, self.projector, self.momentum)
        while self.waiting:
            self.memory.push(self.waiting.pop(0))


class Queue(nn.Module):
    """Rows (size, width), first in, first out; empty at first, the newest last.

    Examples
    --------
    >>> queue = Queue(size=3, width=1)
    >>> queue.push(torch.tensor([[1.0], [2.0]])), queue.push(torch.tensor([[3.0], [4.0]]))
    (None, None)
    >>> queue.held().flatten()
    tensor([2., 3., 4.])
    """

    rows: torch.Tensor
    n_held: torch.Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(size, width))
        self.register_buffer("n_held", torch.tensor(0))

    def held(self) -> Float[torch.Tensor, "K D"]:
        """The rows in it, oldest first."""
        return self.rows[len(self.rows) - int(self.n_held) :]

    @torch.no_grad()
    def push(self, rows: Float[torch.Tensor, "N D"]) -> None:
        """Add rows; the oldest leave."""
        # Shifted, not written round a ring, so that the rows held are one slice, oldest first.
        self.rows.copy_(torch.cat([self.rows, rows.to(self.rows)])[-len(self.rows) :])
        self.n_held.add_(len(rows)).clamp_(max=len(self.rows))
