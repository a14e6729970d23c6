"""The state of a training in, a run folder out, and back.

A run folder holds::

    checkpoint.safetensors   encoder, objective, optimiser, settings; replaced as training goes on
    metrics.jsonl            a line per epoch
    config.yaml              the call that made it, as `tsclr pretrain` reads it
    run.json                 versions, commit, machine
"""

import json
import math
import platform
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml

import tsclr
from tsclr.augment import Augmentation
from tsclr.distributed import total, world_size
from tsclr.embed.checkpoint import FILE, Checkpoint
from tsclr.encoders import Encoder
from tsclr.files import replacing
from tsclr.objectives import Objective
from tsclr.objectives.parts import ema_update
from tsclr.pairs import Pairing
from tsclr.specs import importable_name, spec_of, subclasses
from tsclr.train.settings import Training
from tsclr.types import InputSpec

METRICS = "metrics.jsonl"
CONFIG = "config.yaml"
MACHINE = "run.json"
NAMED = ("encoder", "objective", "pairing", "views")


@dataclass
class State:
    """Everything that training changes.

    Parameters
    ----------
    encoder : Encoder
        What is trained.
    objective : Objective
        Its projector is trained along.
    optimizer : Optimizer
        Over the parameters of both.
    average : Encoder or None
        Moving average of the encoder, where the settings ask for one.
    step : int
        Steps done.
    sums : dict of str to Tensor
        Terms of the loss, summed over the steps of the unfinished epoch; those since the last
        look at `means` in this process, those before as the mean of all processes.
    counted : int
        How many steps these are.
    seconds : float
        Time spent on them.
    scaler : GradScaler or None
        Scale of the gradients in half precision.
    metrics : list of dict
        One for each epoch done.
    readout : dict of str to Tensor
        Arrays of the pair whitening, fitted once training has ended.
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
        """Count a step and its terms; what was fitted to the weights before it is void.

        Parameters
        ----------
        terms : dict of str to Tensor
            Detached scalars.
        """
        self.step, self.counted, self.readout = self.step + 1, self.counted + 1, {}
        for name, term in terms.items():
            self.sums[name] = self.sums.get(name, 0) + term.double()

    def means(self) -> dict[str, float]:
        """Loss and terms, averaged over the steps of the epoch so far and over all processes.

        Every process has to ask; a GPU has to wait.

        Raises
        ------
        FloatingPointError
            If one of them is not finite.
        """
        shared = total(torch.stack(list(self.sums.values()))) / world_size()
        self.sums = dict(zip(self.sums, shared, strict=True))
        means = dict(zip(self.sums, shared.tolist(), strict=True))
        loss = sum(means.values())
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss}: lower training.learning_rate or raise the temperature"
            )
        return {name: value / self.counted for name, value in ({"loss": loss} | means).items()}

    def close_epoch(self, means: dict[str, float], **row: Any) -> None:
        """Turn what was summed into the metrics of an epoch.

        Parameters
        ----------
        means : dict
            As `means` gives them at the last step.
        **row
            What else is to be told of it.
        """
        told = {"epoch": len(self.metrics) + 1} | means | row
        self.metrics.append(told | {"seconds": self.seconds})
        self.sums, self.counted, self.seconds = {}, 0, 0.0

    @torch.no_grad()
    def average_in(self, decay: float | None) -> None:
        """Move the average a little towards the encoder; moments of batch norms are taken over.

        Parameters
        ----------
        decay : float or None
            Near 1 for a slow average; None where there is none.
        """
        if self.average is not None and decay is not None:
            ema_update(self.average, self.encoder, decay)
            for own, new in zip(self.average.buffers(), self.encoder.buffers(), strict=True):
                own.copy_(new)

    def save(self, out: Path, input_spec: InputSpec, settings: dict[str, Any]) -> None:
        """Keep the state: the checkpoint first, then the metrics it holds as lines.

        Parameters
        ----------
        out : Path
            Run folder.
        input_spec : InputSpec
            What the encoder accepts.
        settings : dict
            How it was trained; a resumed run has to agree.
        """
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
        write_lines(out / METRICS, self.metrics)

    def resume(self, out: Path, settings: dict[str, Any]) -> None:
        """Take over what `save` kept in `out`.

        Parameters
        ----------
        out : Path
            Run folder.
        settings : dict
            As they are asked for now.

        Raises
        ------
        ValueError
            If the run was made with other settings.
        """
        checkpoint = Checkpoint.load(out)
        _check_settings(out, checkpoint.settings, settings | {"encoder": spec_of(self.encoder)})
        checkpoint.restore("encoder", self.result)
        if self.average is not None:
            checkpoint.restore("raw", self.encoder)
        checkpoint.restore("objective", self.objective)
        _unflatten(self.optimizer, checkpoint.part("optimizer"))
        kept = checkpoint.settings
        self.step, self.counted = kept["step"], kept["counted"]
        self.seconds, self.metrics = kept["seconds"], kept["metrics"]
        if self.scaler is not None:
            self.scaler.load_state_dict(kept["scaler"])
        device = self.encoder.input_scale.device
        self.sums = {
            name: torch.tensor(value, dtype=torch.float64, device=device)
            for name, value in kept["sums"].items()
        }
        self.readout = checkpoint.part("readout")


def _check_settings(out: Path, kept: dict[str, Any], asked: dict[str, Any]) -> None:
    """Refuse to go on with other settings, but for those that change nothing learned."""
    kept, asked = (json.loads(json.dumps(each)) for each in (kept, asked))
    if kept.get("training", {}).keys() != asked["training"].keys():
        raise ValueError(
            f"{out} is not a run of this version of tsclr: go on with the version that wrote it, "
            "or choose another folder"
        )
    for free in Training.free:
        asked["training"][free] = kept["training"][free]
    differing = [name for name in asked if kept.get(name) != asked[name]]
    if not differing and list(kept["views"]) != list(asked["views"]):
        differing = ["order of views"]
    if differing:
        raise ValueError(
            f"the run in {out} was made with another {', '.join(differing)}: resume it with "
            f"`--config {out / CONFIG}`, or choose another folder"
        )


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a line of JSON for each row, in one step.

    Parameters
    ----------
    path : Path
        File to replace.
    rows : list of dict
        What JSON can hold.
    """
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def describe(out: Path, settings: dict[str, Any]) -> None:
    """Write down the call, as `tsclr pretrain` reads it, and the circumstances of a run.

    Parameters
    ----------
    out : Path
        Run folder.
    settings : dict
        As `State.save` keeps them.
    """
    with replacing(out / CONFIG) as temporary:
        temporary.write_text(yaml.safe_dump(config_of(out, settings), sort_keys=False))
    with replacing(out / MACHINE) as temporary:
        facts = environment() | {"split": settings["split"]}
        facts["seed"] = settings["training"]["seed"]
        temporary.write_text(json.dumps(facts, indent=2))


def config_of(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The YAML that repeats a run.

    Parameters
    ----------
    out : Path
        Run folder.
    settings : dict
        As `State.save` keeps them.
    """
    call = {name: settings[name] for name in ("data", "training")}
    call |= {name: _as_config(settings[name]) for name in NAMED}
    return call | {"out": str(out)}


def _as_config(spec: Any) -> Any:
    """A spec as a config has it: channels come from the data, and a user's class has its module."""
    if isinstance(spec, list):
        return [_as_config(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    if not isinstance(spec.get("class"), str):
        return {name: _as_config(value) for name, value in spec.items()}
    arguments = {name: _as_config(value) for name, value in spec.items() if name != "in_channels"}
    families = [subclasses(kind) for kind in (Encoder, Objective, Augmentation, Pairing)]
    named = next((family[spec["class"]] for family in families if spec["class"] in family), None)
    return arguments if named is None else arguments | {"class": importable_name(named)}


def environment() -> dict[str, Any]:
    """Date, versions, commit, machine and threads: what a figure has to be read beside."""
    packages = ("torch", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "tsclr": tsclr.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "threads": torch.get_num_threads(),
    }


def environment_text() -> dict[str, str]:
    """`environment` as text, for a page."""
    return facts_as_text(environment())


def facts_as_text(facts: dict[str, Any]) -> dict[str, str]:
    """An environment as text.

    Parameters
    ----------
    facts : dict
        As `environment` gives them.
    """
    packages = ", ".join(" ".join(each) for each in facts["packages"].items())
    return {name: str(value) for name, value in (facts | {"packages": packages}).items()}


def _commit() -> str | None:
    """Git commit of the source of tsclr, where it lies in a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except OSError:
        return None
    return done.stdout.strip() or None


def _processor() -> str:
    """Name of the processor, where the system tells."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Tensors of the optimiser by ``<number of parameter>.<name>``."""
    return {
        f"{number}.{name}": value
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def _unflatten(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Give the optimiser what `_flat` took from it."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
