"""Transformation prediction: the encoder recognises which augmentations were applied."""

import re
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tsclr.augment.base import Augmentation, Gated, map_drawn
from tsclr.checks import check_sizes
from tsclr.distributed import own_rows, world_size
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import at_least_float32, numbered

__all__ = ["TransformPrediction", "apply_some"]


def apply_some(
    x: Float[torch.Tensor, "B C T"],
    augmentations: Iterable[Augmentation],
    generator: torch.Generator | None = None,
) -> tuple[Float[torch.Tensor, "B C T"], Bool[torch.Tensor, "B K"]]:
    """Apply each of several augmentations to a window with probability ½, and say which were.

    The choices are independent, so a window may get all or none. What is drawn is drawn on the CPU
    for the windows of all processes, so that two processes with half of them each get the same.

    Parameters
    ----------
    x : (B, C, T) tensor
        Windows.
    augmentations : iterable of Augmentation
        K that always change a window, in the order in which they are applied.
    generator : torch.Generator, optional
        On the CPU; ``None`` is the global one.

    Returns
    -------
    views : (B, C, T) tensor
        On the device of `x`.
    applied : (B, K) bool tensor
        Likewise; set where augmentation k was applied to window b.

    Examples
    --------
    >>> from tsclr.augment import Reverse
    >>> x = torch.arange(3.0).expand(100, 1, 3)
    >>> views, applied = apply_some(x, [Reverse()])
    >>> bool((views[applied[:, 0], 0] == torch.tensor([2.0, 1.0, 0.0])).all())
    True
    """
    # `draw` looks at shape, type and device alone, so a batch without memory of its own will do; on
    # the CPU, where the shared generator is.
    whole = torch.empty(1, dtype=x.dtype).expand(world_size() * len(x), *x.shape[1:])
    applied, device = [], x.device
    # mixed precision would round positions in time to eight bits
    with torch.autocast(device.type, enabled=False):
        for augmentation in augmentations:
            drawn = augmentation.draw_gated(whole, generator).drawn
            # This gate replaces the augmentation's own, which at p = 1 lets every window through.
            gated = Gated(torch.rand(len(whole), generator=generator) < 0.5, drawn)
            local = map_drawn(lambda values: own_rows(values).to(device), gated)
            x = augmentation.transform_gated(x, local)
            applied.append(local.applies)
    return x, torch.stack(applied, dim=1)


class TransformPrediction(Objective):
    """Multi-task transformation prediction: tell which augmentations were applied to a window.

    To each view, each augmentation is applied with probability ½ (`apply_some`). For each, a layer
    of ReLU units and a linear one give from the representation the log odds that it was: binary
    cross entropy, averaged over windows and divided by the number of augmentations. One term an
    augmentation has its name, such as ``time_warp``; an encoder that cannot tell has a loss of
    log 2.

    The representation has to hold what tells the augmentations, so take none that the later task
    should not see, and do not have the views use the same ones. Each view is judged on its own, so
    one would do.

    Parameters
    ----------
    augmentations : sequence of Augmentation
        At least one, all with probability 1. Yuan et al. take `Reverse`, `Permute` and `TimeWarp`;
        Saeed et al. also `Jitter`, `Scale`, `Rotate`, negation and shuffled channels. One that was
        not told the names of the channels with its `for_channels` takes every three as a sensor.
    hidden : int
        Hidden units of the head of each augmentation.

    Raises
    ------
    ValueError
        If there is no augmentation, one would leave windows as they are or mixes them, or `hidden`
        is below 1.

    References
    ----------
    A. Saeed, T. Ozcelebi and J. Lukkien, "Multi-task self-supervised learning for human activity
    detection", Proceedings of the ACM on Interactive, Mobile, Wearable and Ubiquitous
    Technologies 3 (2019): the tasks and a head for each.
    H. Yuan et al., "Self-supervised learning for human activity recognition using 700,000
    person-days of wearable data", npj Digital Medicine 7 (2024): several on one window, and the
    mean over the tasks.
    Departures: Saeed et al. compare transformed windows with their originals, one transformation
    at a time; here those without it are other windows. Yuan et al. draw windows of much movement
    more often.

    Examples
    --------
    >>> from tsclr.augment import Permute, Reverse, TimeWarp
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = TransformPrediction([Reverse(), Permute(), TimeWarp()])
    >>> terms = objective.build(encoder, n_windows=1000)(encoder, Batch([torch.randn(8, 6, 50)]))
    >>> list(terms)
    ['reverse', 'permute', 'time_warp']
    >>> sum(terms.values()).backward()
    """

    n_views = 1

    def __init__(self, augmentations: Sequence[Augmentation], hidden: int = 256) -> None:
        super().__init__()
        check_sizes(augmentations=len(augmentations), hidden=hidden)
        # A ModuleList, so that `train.setup.start` finds them and tells them the channels.
        self.augmentations = nn.ModuleList(augmentations)
        self.hidden = hidden
        for module in self.modules():
            if isinstance(module, Augmentation):
                _check_certain(module)

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make a head for each augmentation."""
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(encoder.num_features, self.hidden),
                nn.ReLU(inplace=True),
                nn.Linear(self.hidden, 1),
            )
            for _ in self.augmentations
        )

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """A term for each augmentation."""
        # ModuleList does not declare the type of its elements
        augmentations = cast("Iterable[Augmentation]", self.augmentations)
        views_and_applied = [
            apply_some(view, augmentations, batch.generator) for view in batch.views
        ]
        h = represent(encoder, [views for views, _ in views_and_applied]).flatten(0, 1)
        logits = at_least_float32(torch.cat([head(h) for head in self.heads], dim=1))
        applied = torch.cat([which for _, which in views_and_applied]).to(logits.dtype)
        losses = binary_cross_entropy_with_logits(logits, applied, reduction="none").mean(0)
        names = numbered(_snake(type(augmentation).__name__) for augmentation in augmentations)
        return dict(zip(names, losses / len(names), strict=True))


def _check_certain(augmentation: Augmentation) -> None:
    """Raise unless a window that an augmentation is applied to is surely changed by it alone."""
    name = type(augmentation).__name__
    if augmentation.p < 1:
        raise ValueError(
            f"{name} has p = {augmentation.p}, allowed is 1: each is applied to half of the windows"
        )
    if augmentation.mixes_windows:
        raise ValueError(f"{name} mixes windows: leave it out, or take it for the views")


def _snake(name: str) -> str:
    """The name of a class in the words of a term.

    Examples
    --------
    >>> _snake("TimeWarp")
    'time_warp'
    """
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()
