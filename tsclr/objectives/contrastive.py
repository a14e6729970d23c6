"""Contrastive objectives: views of a window attract, views of other windows repel."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int

from tsclr.checks import check_positive, check_sizes
from tsclr.distributed import gather, own_rows
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent, require
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import embed, mean_of_others, projector
from tsclr.objectives.infonce import anchors_and_keys, log_sum_exp, nt_xent

__all__ = ["DCL", "NTXent", "SupCon", "dcl", "nt_xent", "sup_con"]


def dcl(z: Float[torch.Tensor, "V B D"], temperature: float = 0.1) -> Float[torch.Tensor, ""]:
    """Decoupled contrastive loss: `nt_xent` whose denominator holds negatives alone.

    The loss of anchor i and its positive j is
    ``-z_i·z_j / temperature + log(sum over k of exp(z_i·z_k / temperature))`` with k over all
    embeddings of other windows, averaged over all anchors and all their positives. With V = 2
    this is equation 6 of the paper. With V > 2 all V views of the window leave the denominator,
    so that V·(B - 1) negatives remain. The loss can be negative.

    Parameters
    ----------
    z : (V, B, D) tensor
        Embeddings; ``z[:, b]`` are the views of window b. They need not be normalised.
    temperature : float
        Greater than 0.

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
    C.-H. Yeh, C.-Y. Hong, Y.-C. Hsu, T.-L. Liu, Y. Chen and Y. LeCun, "Decoupled contrastive
    learning", ECCV 2022, equation 6. Departures: a mean in place of the sum, and any number of
    views. The weights of the positives (DCLW) are not here.

    Examples
    --------
    Two windows in opposite directions, both views equal.

    >>> z = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]).expand(2, 2, 2)
    >>> dcl(z, temperature=1.0).item()  # -1 + log(2 exp(-1))
    -1.306...
    """
    z, keys, own_columns = anchors_and_keys(z, temperature)
    # (B · V, V): each anchor leaves out all views of its window, not only itself.
    views_of_window = own_columns.repeat_interleave(own_columns.shape[1], dim=0)
    denominator = log_sum_exp(z.flatten(0, 1), keys.flatten(0, 1), excluded=views_of_window)
    positive = (z * mean_of_others(z, axis=1)).sum(-1)
    return denominator.mean() - positive.mean()


def sup_con(
    z: Float[torch.Tensor, "V B D"], labels: Int[torch.Tensor, " B"], temperature: float = 0.1
) -> Float[torch.Tensor, ""]:
    """Supervised contrastive loss: all views of all windows of a class are positives.

    The loss of anchor i is the mean over its positives p of
    ``-log(exp(z_i·z_p / temperature) / sum over k != i of exp(z_i·z_k / temperature))``, averaged
    over all anchors. A window without a label has its own other views as positives, so without any
    labels this is `nt_xent`. Under several processes the positives and the denominator are those
    of all.

    Parameters
    ----------
    z : (V, B, D) tensor
        Embeddings; ``z[:, b]`` are the views of window b. They need not be normalised.
    labels : (B,) int tensor
        Class of each window; below 0 where there is none.
    temperature : float
        Greater than 0.

    Returns
    -------
    scalar tensor
        Mean over V·B anchors.

    Raises
    ------
    ValueError
        If there are fewer than two views or windows, or `temperature` is not greater than 0.

    References
    ----------
    P. Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equation 2, the variant with
    the sum outside the logarithm. Departures: a mean over the anchors in place of the sum, any
    number of views, and windows without a label.

    Examples
    --------
    Two windows of one class in opposite directions: each anchor has positives at 1, -1 and -1.

    >>> z = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]).expand(2, 2, 2)
    >>> sup_con(z, torch.tensor([5, 5]), temperature=1.0).item()  # log(e + 2 / e) + 1 / 3
    1.572...
    """
    z, keys, own_columns = anchors_and_keys(z, temperature)
    denominator = log_sum_exp(
        z.flatten(0, 1), keys.flatten(0, 1), excluded=own_columns.flatten()[:, None]
    )
    all_labels = gather(labels)
    # Below 0 lies no label, so each window without one is a class of its own.
    alone = -1 - torch.arange(len(all_labels), device=all_labels.device)
    group = all_labels.where(all_labels >= 0, alone).unique(return_inverse=True)[1]
    # Dot products are linear: the positives of an anchor are one product with the sum of its class,
    # itself taken off, and no matrix says who is whose positive.
    sums = torch.zeros_like(keys[:, 0]).index_add(0, group, keys.sum(1))
    n_positives = z.shape[1] * group.bincount(minlength=len(group)) - 1
    group = own_rows(group)
    positive = (z * (sums[group, None] - z)).sum(-1) / n_positives[group, None]
    return denominator.mean() - positive.mean()


class Contrast(Objective):
    """Base of the objectives here: their settings, and the projector to the embeddings."""

    def __init__(self, temperature: float, hidden: int, width: int) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        check_sizes(hidden=hidden, width=width)
        self.temperature = temperature
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the projector."""
        self.projector = projector(encoder.num_features, self.hidden, self.width)

    def embed(
        self, encoder: Encoder, views: Sequence[Float[torch.Tensor, "B C T"]]
    ) -> Float[torch.Tensor, "V B D"]:
        """Embeddings z of all views."""
        return embed(self.projector, represent(encoder, views))


class NTXent(Contrast):
    """SimCLR: views of the same window attract, all other windows of the batch repel.

    The embeddings come from `projector`; `nt_xent` is the one term.

    Parameters
    ----------
    temperature : float
        Greater than 0; see `nt_xent`.
    hidden : int
        Hidden units of the projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0 or a size is below 1.

    References
    ----------
    T. Chen, S. Kornblith, M. Norouzi and G. Hinton, "A simple framework for contrastive learning of
    visual representations", ICML 2020, section 2.1. Departures: BatchNorm in the projector, as in
    the code published with the paper, and any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = NTXent().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['nt_xent']
    >>> sum(terms.values()).backward()
    """

    def __init__(self, temperature: float = 0.2, hidden: int = 256, width: int = 128) -> None:
        super().__init__(temperature, hidden, width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``nt_xent``."""
        return {"nt_xent": nt_xent(self.embed(encoder, batch.views), self.temperature)}


class DCL(Contrast):
    """Decoupled contrastive learning: `NTXent` without the positive in the denominator.

    So the pull of a positive does not fade where the negatives of a small batch are easy. The
    embeddings come from `projector`; `dcl` is the one term.

    Parameters
    ----------
    temperature : float
        Greater than 0; see `dcl`.
    hidden : int
        Hidden units of the projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0 or a size is below 1.

    References
    ----------
    C.-H. Yeh, C.-Y. Hong, Y.-C. Hsu, T.-L. Liu, Y. Chen and Y. LeCun, "Decoupled contrastive
    learning", ECCV 2022, section 3. Departures: BatchNorm in the projector and any number of views.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = DCL().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50), torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['dcl']
    """

    def __init__(self, temperature: float = 0.1, hidden: int = 256, width: int = 128) -> None:
        super().__init__(temperature, hidden, width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``dcl``."""
        return {"dcl": dcl(self.embed(encoder, batch.views), self.temperature)}


class SupCon(Contrast):
    """Supervised contrast: windows of a class attract, all other windows of the batch repel.

    It reads labels. Windows without one take part as in `NTXent`. The embeddings come from
    `projector`; `sup_con` is the one term.

    Parameters
    ----------
    temperature : float
        Greater than 0; see `sup_con`.
    hidden : int
        Hidden units of the projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If `temperature` is not greater than 0 or a size is below 1; on use, if the batch has no
        labels.

    References
    ----------
    P. Khosla et al., "Supervised contrastive learning", NeurIPS 2020, section 3. Departures:
    BatchNorm in the projector, any number of views, and windows without a label.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = SupCon().build(encoder, n_windows=1000)
    >>> views = [torch.randn(4, 6, 50), torch.randn(4, 6, 50)]
    >>> terms = objective(encoder, Batch(views, labels=torch.tensor([0, 1, 0, -1])))
    >>> list(terms)
    ['sup_con']
    """

    reads_labels = True

    def __init__(self, temperature: float = 0.1, hidden: int = 256, width: int = 128) -> None:
        super().__init__(temperature, hidden, width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``sup_con``."""
        labels = require(batch.labels, "labels", self)
        return {"sup_con": sup_con(self.embed(encoder, batch.views), labels, self.temperature)}
