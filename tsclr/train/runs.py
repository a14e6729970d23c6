"""What lies in a run folder besides the checkpoint: the call, the metrics, the circumstances.

A run folder holds::

    checkpoint.safetensors   encoder, objective, optimiser, settings; replaced as training goes on
    metrics.jsonl            a line per epoch
    config.yaml              the call that made it, as `tsclr pretrain` reads it
    run.json                 versions, commit, machine
"""

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml

import tsclr
from tsclr.augment import Augmentation
from tsclr.encoders import Encoder
from tsclr.files import replacing
from tsclr.objectives import Objective
from tsclr.pairs import Pairing
from tsclr.specs import importable_name, subclasses

METRICS = "metrics.jsonl"
CONFIG = "config.yaml"
MACHINE = "run.json"
NAMED = ("encoder", "objective", "pairing", "views")


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a line of JSON for each row, in one step."""
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def describe(out: Path, settings: dict[str, Any]) -> None:
    """Write down the call and the circumstances of a run, which `State.save` keeps as settings."""
    write_config(out, settings)
    with replacing(out / MACHINE) as temporary:
        facts = environment() | {"split": settings["split"]}
        facts["seed"] = settings["training"]["seed"]
        temporary.write_text(json.dumps(facts, indent=2))


def write_config(out: Path, settings: dict[str, Any]) -> None:
    """Write down the call, as `tsclr pretrain` reads it."""
    with replacing(out / CONFIG) as temporary:
        temporary.write_text(yaml.safe_dump(config_of(out, settings), sort_keys=False))


def config_of(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The YAML that repeats a run."""
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
    cls = next((family[spec["class"]] for family in families if spec["class"] in family), None)
    return arguments if cls is None else arguments | {"class": importable_name(cls)}


def environment() -> dict[str, Any]:
    """Date, versions, commit, machine and threads, without which no figure should be read."""
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
    """An environment as text."""
    packages = ", ".join(" ".join(item) for item in facts["packages"].items())
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
    """Name of the processor."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()
