"""TS-TCC: a weak and a strong view predict each other's future, and their contexts are contrasted.

The context c of a view sums up its steps up to a random one, here the third; the next K steps of
the other view are foretold from it, and the contexts of both views are positives of each other::

    weak    z_1 z_2 z_3 ──▶ c ─┬─ W_1, W_2 ──▶ z_4 z_5 of the strong view     temporal
                               ├─ projector ─▶ NT-Xent                        contextual
    strong  z_1 z_2 z_3 ──▶ c ─┴─ W_1, W_2 ──▶ z_4 z_5 of the weak view       temporal
"""

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_not_negative, check_positive, check_several, check_sizes
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent_steps
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import check_horizon, embed, projector
from tsclr.objectives.infonce import nt_xent, step_nce

__all__ = ["TSTCC", "TokenContext", "cross_view_prediction"]


def cross_view_prediction(
    predicted: Float[torch.Tensor, "V B K D"], future: Float[torch.Tensor, "V B K D"]
) -> Float[torch.Tensor, ""]:
    r"""Temporal contrast: InfoNCE of the next K steps of one view, foretold from another.

    For views v ≠ u and distance k the loss of window b is
    ``-log(exp(p_vbk·z_ubk) / sum over windows m of exp(p_vbk·z_umk))``, averaged over all of them.
    The negatives are the same step of the same view of the other windows, of all processes.

    Parameters
    ----------
    predicted : (V, B, K, D) tensor
        ``predicted[v, b, k - 1]`` is W_k c, with c the context of view v.
    future : (V, B, K, D) tensor
        The steps that came.

    Returns
    -------
    scalar tensor
        Mean over V·(V - 1)·B·K predictions.

    Raises
    ------
    ValueError
        If there are fewer than two views.

    References
    ----------
    E. Eldele et al., "Time-series representation learning via temporal and contextual
    contrasting", IJCAI 2021, equations 1 and 2; their mean over the views.

    Examples
    --------
    >>> z = torch.eye(2)[None, :, None].expand(2, 2, 1, 2)
    >>> cross_view_prediction(z, z).item()  # log(1 + exp(-1))
    0.313...
    """
    n_views = len(predicted)
    check_several(views=n_views)
    others = torch.cat([future.roll(-shift, 0) for shift in range(1, n_views)], 2)
    foretold = predicted.repeat(1, 1, n_views - 1, 1)
    return step_nce(foretold.transpose(0, 1).flatten(1, 2), others.transpose(0, 1).flatten(1, 2))


class TokenContext(nn.Module):
    """Steps and a learned token through a transformer; the token comes out as the context.

    Layers are pre-norm, without dropout. Steps carry no position, as in the paper.

    Parameters
    ----------
    feature_width : int
        Features D of a step.
    width : int
        Features of the context.
    depth : int
        Layers.
    heads : int
        Attention heads; divides `width`.
    """

    def __init__(self, feature_width: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(feature_width, width)
        self.token = nn.Parameter(torch.randn(width))
        layers = (
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Float[torch.Tensor, "N S D"]) -> Float[torch.Tensor, "N W"]:
        """Sum up steps.

        Parameters
        ----------
        z : (N, S, D) tensor
            Steps so far.
        """
        steps = self.embedding(z)
        # Under autocast the steps are in half precision and the token is not.
        token = self.token.to(steps.dtype).expand(len(z), 1, -1)
        return self.layers(torch.cat([token, steps], 1))[:, 0]


class TSTCC(Objective):
    """Temporal and contextual contrasting of weak and strong views of a window.

    Terms are ``temporal`` (`cross_view_prediction` from a `TokenContext`) and ``contextual``
    (`nt_xent` of the projected contexts). The step up to which the context looks is drawn for
    each batch.

    Parameters
    ----------
    horizon : int
        Steps of the other view that are foretold (K); the feature map needs more than that.
    temporal_weight, contextual_weight : float
        Weights of ``temporal`` and ``contextual`` (λ1 and λ2 of the paper), at least 0.
    temperature : float
        Greater than 0; see `nt_xent`.
    context_width, depth, heads : int
        Features, layers and attention heads of the context; `heads` divides `context_width`.
    hidden : int
        Hidden units of the projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If a setting is out of range; on use, if the feature map has too few steps.

    References
    ----------
    E. Eldele et al., "Time-series representation learning via temporal and contextual
    contrasting", IJCAI 2021, section 3. Departures: no dropout in the context; with more
    than two views each foretells every other; BatchNorm in the projector and a random last step
    of the context, as in the code published with the paper. K is 40 % of the 8 steps that
    `tsclr.encoders.CNN1d` makes of 128 samples, the share that the paper found best.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = TSTCC().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 128), torch.randn(8, 6, 128)]))
    >>> list(terms)
    ['temporal', 'contextual']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self,
        horizon: int = 3,
        temporal_weight: float = 1.0,
        contextual_weight: float = 0.7,
        temperature: float = 0.2,
        context_width: int = 64,
        depth: int = 4,
        heads: int = 4,
        hidden: int = 256,
        width: int = 128,
    ) -> None:
        super().__init__()
        check_not_negative(temporal_weight=temporal_weight, contextual_weight=contextual_weight)
        check_positive(temperature=temperature)
        check_sizes(horizon=horizon, hidden=hidden, width=width)
        check_sizes(context_width=context_width, depth=depth, heads=heads)
        if context_width % heads:
            raise ValueError(
                f"context_width is {context_width}, it must be a multiple of heads = {heads}"
            )
        self.horizon = horizon
        self.temporal_weight = temporal_weight
        self.contextual_weight = contextual_weight
        self.temperature = temperature
        self.context_width = context_width
        self.depth = depth
        self.heads = heads
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the context, the K maps W_k side by side, and the projector."""
        D = encoder.feature_width
        self.context = TokenContext(D, self.context_width, self.depth, self.heads)
        self.predictions = nn.Linear(self.context_width, self.horizon * D)
        self.projector = projector(self.context_width, self.hidden, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Two terms, ``temporal`` and ``contextual``."""
        z = represent_steps(encoder, batch.views).transpose(2, 3)
        check_horizon(z.shape[2], self.horizon)
        # One step at least is seen, and `horizon` are left.
        n_seen = 1 + int(torch.randint(z.shape[2] - self.horizon, (), generator=batch.generator))
        context = self.context(z[:, :, :n_seen].flatten(0, 1)).unflatten(0, z.shape[:2])
        predicted = self.predictions(context).unflatten(2, (self.horizon, -1))
        future = z[:, :, n_seen : n_seen + self.horizon]
        contextual = nt_xent(embed(self.projector, context), self.temperature)
        return {
            "temporal": self.temporal_weight * cross_view_prediction(predicted, future),
            "contextual": self.contextual_weight * contextual,
        }
