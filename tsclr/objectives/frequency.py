"""Time-frequency consistency: the embeddings of a window and of its spectrum agree."""

import torch
from jaxtyping import Float

from tsclr.checks import check_fractions, check_not_negative, check_positive, check_sizes
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import embed, projector
from tsclr.objectives.infonce import anchors_and_keys, log_sum_exp

__all__ = ["TFC", "contrastive_distance", "time_frequency_consistency"]


def contrastive_distance(
    first: Float[torch.Tensor, "B D"], second: Float[torch.Tensor, "B D"], temperature: float = 0.2
) -> Float[torch.Tensor, " B"]:
    r"""Distance of two embeddings of each window, measured by those of all other windows.

    With embeddings normalised to unit length, ``d(u, v) = -log(exp(u·v / temperature) / sum over
    k != u of exp(u·k / temperature))``, where k are all 2 B embeddings but u; given is the mean of
    d(u, v) and d(v, u). Under several processes k are the embeddings of all.

    Parameters
    ----------
    first, second : (B, D) tensor
        Two embeddings of each window. They need not be normalised.
    temperature : float
        Greater than 0.

    Returns
    -------
    (B,) tensor
        One distance a window; their mean is NT-Xent.

    Raises
    ------
    ValueError
        If there are fewer than two windows, or `temperature` is not greater than 0.

    References
    ----------
    X. Zhang et al., "Self-supervised contrastive pre-training for time series via time-frequency
    consistency", NeurIPS 2022, equation 1. The positive is part of the sum, and the distance is
    made symmetric, as in NT-Xent and in the code published with the paper.

    Examples
    --------
    Two windows in opposite directions: each has its positive at similarity 1 and two negatives at
    -1.

    >>> z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> contrastive_distance(z, z, temperature=1.0)  # log(1 + 2 exp(-2))
    tensor([0.2395, 0.2395])
    """
    z, keys, own_columns = anchors_and_keys(torch.stack([first, second]), temperature)
    sums = log_sum_exp(z.flatten(0, 1), keys.flatten(0, 1), excluded=own_columns.flatten()[:, None])
    # Product over the two views, summed over features: the dot product of the positives.
    return sums.unflatten(0, (-1, 2)).mean(1) - z.prod(1).sum(-1)


def time_frequency_consistency(
    time: Float[torch.Tensor, "2 B D"],
    spectrum: Float[torch.Tensor, "2 B D"],
    temperature: float = 0.2,
    margin: float = 1.0,
) -> Float[torch.Tensor, ""]:
    r"""Time and spectrum of a window lie closer together than those of its augmented views.

    With S the `contrastive_distance`, ``sum over pairs of max(0, S(time, spectrum) - S(pair) +
    margin)``, averaged over windows. The three pairs are a time and a spectrum of which one or both
    are of an augmented view.

    Parameters
    ----------
    time : (2, B, D) tensor
        Embeddings by the time encoder, of the windows and of their augmented views.
    spectrum : (2, B, D) tensor
        Likewise by the encoder of spectra.
    temperature : float
        Greater than 0.
    margin : float
        By how much the distances should differ, at least 0.

    Returns
    -------
    scalar tensor
        Mean over the windows.

    Raises
    ------
    ValueError
        If there are fewer than two windows, or a setting is not allowed.

    References
    ----------
    X. Zhang et al., "Self-supervised contrastive pre-training for time series via time-frequency
    consistency", NeurIPS 2022, equation 3. It has no ``max(0, ·)``, and so would part augmented
    views without end, whatever the margin is; this is the triplet loss that the paper refers to.

    Examples
    --------
    All distances are equal, so that each of the three pairs lacks the whole margin:

    >>> z = torch.eye(4).expand(2, 4, 4)
    >>> time_frequency_consistency(z, z, margin=0.5)
    tensor(1.5000)
    """
    check_not_negative(margin=margin)
    plain = contrastive_distance(time[0], spectrum[0], temperature)
    excess = [
        (plain - contrastive_distance(time[i], spectrum[j], temperature) + margin).relu()
        for i, j in ((0, 1), (1, 0), (1, 1))
    ]
    return torch.stack(excess).sum(0).mean()


class TFC(Objective):
    r"""Time-frequency consistency: an encoder of windows and one of their spectra that agree.

    The two parts of the encoder are a `Concat` of any encoder and a `Spectrum`. The first view is
    the window as it is, the second is augmented in time, and the last, which may be the second, in
    frequency. Terms, with weight λ = `contrast_weight`:

    * ``time``: λ times the `contrastive_distance` of the first part from the first view to the
      second;
    * ``frequency``: λ times that of the second part from the first view to the last;
    * ``consistency``: 1 - λ times `time_frequency_consistency`, after a projector for each part.

    Parameters
    ----------
    contrast_weight : float
        λ of the paper, from 0 to 1.
    margin : float
        At least 0; see `time_frequency_consistency`.
    temperature : float
        Greater than 0; see `contrastive_distance`.
    hidden : int
        Hidden units of each projector.
    width : int
        Features of an embedding.

    Raises
    ------
    ValueError
        If a number is out of range, or, in `build`, the encoder has not two parts.

    References
    ----------
    X. Zhang, Z. Zhao, T. Tsiligkaridis and M. Zitnik, "Self-supervised contrastive pre-training for
    time series via time-frequency consistency", NeurIPS 2022, equations 1 to 4, with the weights of
    the published code. That code computes the consistency and then trains with the distance of time
    and spectrum alone; here it is part of the loss. Departures: the consistency is a triplet loss,
    see `time_frequency_consistency`; the spectrum of the last view is augmented by whatever made
    that view, a `FrequencyMask` for example, so that it stays the spectrum of a real signal.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d, Concat, Spectrum
    >>> encoder = Concat(6, [CNN1d(6), Spectrum(6, CNN1d(6))])
    >>> objective = TFC().build(encoder, n_windows=1000)
    >>> terms = objective(encoder, Batch([torch.randn(8, 6, 50) for _ in range(3)]))
    >>> list(terms)
    ['time', 'frequency', 'consistency']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self,
        contrast_weight: float = 0.2,
        margin: float = 1.0,
        temperature: float = 0.2,
        hidden: int = 256,
        width: int = 128,
    ) -> None:
        super().__init__()
        check_fractions(contrast_weight=contrast_weight)
        check_not_negative(margin=margin)
        check_positive(temperature=temperature)
        check_sizes(hidden=hidden, width=width)
        self.contrast_weight = contrast_weight
        self.margin = margin
        self.temperature = temperature
        self.hidden = hidden
        self.width = width

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make a projector for each part."""
        widths = encoder.part_widths
        if len(widths) != 2:
            raise ValueError(
                "TFC trains two encoders, one in time and one on the spectrum, and "
                f"{type(encoder).__name__} has parts of {', '.join(map(str, widths))} features: "
                "use a Concat of an encoder and a Spectrum"
            )
        self.of_time = projector(widths[0], self.hidden, self.width)
        self.of_spectrum = projector(widths[1], self.hidden, self.width)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """Three terms: ``time``, ``frequency``, ``consistency``."""
        h_time, h_spectrum = represent(encoder, batch.views).split(encoder.part_widths, dim=-1)
        h_time, h_spectrum = h_time[[0, 1]], h_spectrum[[0, -1]]
        # On representations, as in equation 1; only the consistency uses embeddings.
        time, frequency = (
            contrastive_distance(h[0], h[1], self.temperature).mean() for h in (h_time, h_spectrum)
        )
        z_time, z_spectrum = embed(self.of_time, h_time), embed(self.of_spectrum, h_spectrum)
        consistency = time_frequency_consistency(z_time, z_spectrum, self.temperature, self.margin)
        return {
            "time": self.contrast_weight * time,
            "frequency": self.contrast_weight * frequency,
            "consistency": (1 - self.contrast_weight) * consistency,
        }
