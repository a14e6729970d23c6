"""Everything that training changes: kept in the checkpoint of a run, and taken up again."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tsclr.distributed import total, world_size
from tsclr.embed.checkpoint import FILE, Checkpoint
from tsclr.encoders import Encoder
from tsclr.objectives import Objective
from tsclr.objectives.blocks import ema_update
from tsclr.specs import differences, spec_of
from tsclr.train.runs import METRICS, write_lines
from tsclr.train.settings import Training
from tsclr.types import InputSpec

DERIVED = ("split", "place", "seen")
"""Settings of a run that follow from the block ``data``."""


@dataclass
class State:
    """Everything that training changes.

    `sums` holds the terms of the loss, summed over the `counted` steps of the unfinished epoch:
    those since the last look at `means` in this process, those before as the mean of all processes.
    `average` is the moving average of the encoder, where the settings ask for one, and `readout`
    the arrays of the pair whitening, fitted once training has ended.
    """

    encoder: Encoder
    objective: Objective
    optimizer: torch.optim.Optimizer
    average: Encoder | None = None
    step: int = 0
    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    counted: int = 0
    seconds: float = 0.0
    scaler: torch.amp.GradScaler | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)
    readout: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def result(self) -> Encoder:
        """The encoder that a run gives: the average where there is one."""
        return self.encoder if self.average is None else self.average

    def add(self, terms: dict[str, torch.Tensor]) -> None:
        """Count a step and its terms; a readout fitted before it no longer fits the weights."""
        self.step, self.counted, self.readout = self.step + 1, self.counted + 1, {}
        for name, term in terms.items():
            # A float32 sum over the thousands of steps of an epoch would lose digits.
            self.sums[name] = self.sums.get(name, 0) + term.double()

    def means(self) -> dict[str, float]:
        """Loss and terms, averaged over the steps of the epoch so far and over all processes.

        Every process has to ask; a GPU has to wait. ``FloatingPointError`` if one is not finite.
        """
        # What was shared before is the same in all processes, so sharing it again changes nothing.
        shared = total(torch.stack(list(self.sums.values()))) / world_size()
        self.sums = dict(zip(self.sums, shared, strict=True))
        means = dict(zip(self.sums, shared.tolist(), strict=True))
        loss = sum(means.values())
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} by step {self.step}: start again in another folder, with "
                "a lower training.learning_rate, or a higher temperature if the objective has "
                "one"
            )
        return {name: value / self.counted for name, value in ({"loss": loss} | means).items()}

    def close_epoch(self, means: dict[str, float], **row: Any) -> None:
        """Append a row to the metrics, with `means` as they are at the last step."""
        epoch = {"epoch": len(self.metrics) + 1}
        self.metrics.append(epoch | means | row | {"seconds": self.seconds})
        self.sums, self.counted, self.seconds = {}, 0, 0.0

    @torch.no_grad()
    def average_in(self, decay: float | None) -> None:
        """Move the average a little towards the encoder, and copy the moments of batch norms."""
        if self.average is not None and decay is not None:
            ema_update(self.average, self.encoder, decay)
            # The average sees no training batch, so its batch norms gather no moments of their own.
            for old, new in zip(self.average.buffers(), self.encoder.buffers(), strict=True):
                old.copy_(new)

    def save(self, out: Path, input_spec: InputSpec, settings: dict[str, Any]) -> None:
        """Write the checkpoint first, then the metrics that it holds as lines."""
        progress = {
            "epoch": len(self.metrics),
            "step": self.step,
            "sums": {name: float(value) for name, value in self.sums.items()},
            "counted": self.counted,
            "seconds": self.seconds,
            "scaler": self.scaler and self.scaler.state_dict(),
            "metrics": self.metrics,
        }
        checkpoint = Checkpoint.of(self.result, input_spec, **settings, **progress)
        if self.average is not None:
            checkpoint = checkpoint.adding("raw", self.encoder.state_dict())
        checkpoint = checkpoint.adding("objective", self.objective.state_dict())
        checkpoint = checkpoint.adding("optimizer", _flat(self.optimizer))
        checkpoint.adding("readout", self.readout).save(out / FILE)
        # For people and plots only: a run resumes from the metrics in its checkpoint.
        write_lines(out / METRICS, self.metrics)

    def resume(self, out: Path, settings: dict[str, Any]) -> int:
        """Take up what `save` wrote to `out`; return the epochs that were asked for until now.

        ``ValueError`` if `settings` differ from those of the run, or ask for fewer epochs than are
        done.
        """
        checkpoint = Checkpoint.load(out)
        _check_settings(out, checkpoint.settings, settings | {"encoder": spec_of(self.encoder)})
        checkpoint.restore("encoder", self.result)
        if self.average is not None:
            checkpoint.restore("raw", self.encoder)
        checkpoint.restore("objective", self.objective)
        _unflatten(self.optimizer, checkpoint.section("optimizer"))
        saved = checkpoint.settings
        self.step, self.counted = saved["step"], saved["counted"]
        self.seconds, self.metrics = saved["seconds"], saved["metrics"]
        if self.scaler is not None:
            self.scaler.load_state_dict(saved["scaler"])
        device = self.encoder.input_scale.device
        self.sums = {
            name: torch.tensor(value, dtype=torch.float64, device=device)
            for name, value in saved["sums"].items()
        }
        self.readout = checkpoint.section("readout")
        return int(saved["training"]["epochs"])


def _check_settings(out: Path, saved: dict[str, Any], requested: dict[str, Any]) -> None:
    """Raise ``ValueError`` for settings that the run was not made with, unless they are free."""
    # As the checkpoint has them: JSON turns tuples into lists.
    saved, requested = (json.loads(json.dumps(settings)) for settings in (saved, requested))
    if saved.get("training", {}).keys() != requested["training"].keys():
        raise ValueError(
            f"{out} was written by another version of tsclr: continue it with that version, "
            "or choose another folder"
        )
    n_done, n_asked = saved["epoch"], requested["training"]["epochs"]
    if n_asked <= n_done and n_asked < saved["training"]["epochs"]:
        raise ValueError(
            f"training.epochs is {n_asked}, but the run in {out} has done {n_done} epochs: set it "
            "above that, or choose another folder"
        )
    for free in ("epochs", *Training.free):
        requested["training"][free] = saved["training"][free]
    differ = _between(saved, requested, [name for name in requested if name not in DERIVED])
    if not differ and saved.get("seen") != requested["seen"]:
        differ = ["data: its recordings are not those of the run"]
    # What follows from other settings is worth a word only where none of those differ.
    if differ := differ or _between(saved, requested, DERIVED):
        raise ValueError(
            f"the run in {out} was started with other settings. {'; '.join(differ)}. Continue "
            f"with `tsclr pretrain --resume {out}`, or choose another folder"
        )


def _between(saved: dict[str, Any], requested: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Differences of some settings of a run."""
    old, new = ({name: settings.get(name) for name in names} for settings in (saved, requested))
    return list(differences("the run", old, new))


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Tensors of the optimiser by ``<number of parameter>.<name>``."""
    return {
        f"{number}.{name}": value
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def _unflatten(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Give the optimiser what `_flat` took from it."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = tensor
    # The parameter groups come from the settings, and their rate is set at every step.
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
