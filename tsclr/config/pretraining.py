"""A preset and what is to differ from it in, a pretraining out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from tsclr.augment import Augmentation
from tsclr.config.changes import build_changed, changed
from tsclr.config.options import parameter_docs
from tsclr.config.presets import about, config_file
from tsclr.data.settings import Data
from tsclr.data.store import Store
from tsclr.encoders import Encoder
from tsclr.objectives import Objective
from tsclr.pairs import Pairing
from tsclr.specs import SpecError, importable_name, read_yaml, spec_of
from tsclr.train.pretrain import pretrain as train
from tsclr.train.runs import CONFIG
from tsclr.train.settings import Training


@dataclass
class Pretraining:
    """Everything that a pretraining depends on, except for its folder.

    Parameters
    ----------
    data : Data
        Windows and subjects.
    encoder : callable
        Encoder, such as ``CNN1d``; a callable that makes it from its number of channels.
    objective : Objective
        What to learn, such as ``NTXent`` or ``MoCo``.
    views : list of Augmentation, or dict of such lists
        Augmentations of all views, or a pipeline for each view by name.
    pairing : Pairing
        Which windows form positive pairs, such as ``Neighbour``.
    training : Training
        Settings of the optimiser.
    """

    data: Data
    encoder: Callable[[int], Encoder]
    objective: Objective
    views: list[Augmentation] | dict[str, list[Augmentation]]
    pairing: Pairing
    training: Training = field(default_factory=Training)

    def contents(self) -> dict[str, Any]:
        """The config that says the same, with every default."""
        plain = {"data": self.data.settings(), "training": asdict(self.training)}
        return {
            name: spec_of(plain.get(name, value), importable_name)
            for name, value in vars(self).items()
        }


DEFAULT = "ntxent"
"""The preset of a pretraining that names none."""
NAMED = tuple(each.name for each in fields(Pretraining))
"""Keys of a config."""


def read_config(config: str | Path, changes: Mapping[str, Any] | None = None) -> Pretraining:
    """The pretraining that a preset or a YAML file describes.

    Parameters
    ----------
    config : str or Path
        Name of a preset, or file.
    changes : mapping, optional
        What is to differ, by the keys of a config: a mapping without a class changes the settings
        it names, anything else replaces what the config says.

    Raises
    ------
    FileNotFoundError
        If there is no such preset or file.
    SpecError
        If a value cannot be used; the message says where it is.

    Examples
    --------
    >>> given = read_config("ntxent", {"data": {"source": "hapt"}, "objective": "MoCo"})
    >>> given.objective.queue, given.training.epochs
    (4096, 30)
    """
    contents, changes = read_yaml(config_file(config)), changes or {}
    contents.pop("out", None)  # a run folder's config holds it
    if not _has_source(changed(contents, changes)):
        reason = "this is missing, name the folder of a store or a dataset"
        raise SpecError("data.source", reason, str(config))
    return build_changed(Pretraining, contents, changes, str(config))


def _has_source(contents: Mapping[str, Any]) -> bool:
    """Whether a config says where its windows come from; most presets do not."""
    data = contents.get("data", {})
    return not isinstance(data, Mapping) or "source" in data


def starter(config: str | Path, changes: Mapping[str, Any] | None = None) -> str:
    """YAML of a config with every default, each setting of data and training explained.

    A config without a source gets the folder ``store``.
    """
    file, changes = config_file(config), changes or {}
    if not _has_source(changed(read_yaml(file), changes)):
        changes = changed(changes, {"data": {"source": "store"}})
    contents = read_config(config, changes).contents()
    blocks = [f"# {about(file)}"] if about(file) else []
    for name, value in contents.items():
        kind = {"data": Data, "training": Training}.get(name)
        blocks.append(_commented(yaml_of({name: value}), parameter_docs(kind) if kind else {}))
    return "\n".join(blocks)


def yaml_of(settings: Mapping[str, Any]) -> str:
    """Settings as YAML, their objects as specs."""
    plain = {name: spec_of(value, importable_name) for name, value in settings.items()}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100).rstrip()


def _commented(block: str, docs: Mapping[str, str]) -> str:
    """A block of YAML with what each setting means after it."""
    lines = []
    for line in block.splitlines():
        name = line.strip().partition(":")[0]
        lines.append(f"{line:<30}  # {docs[name]}" if name in docs else line)
    return "\n".join(lines)


def pretrain(
    data: Data | Store | str | Path | Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    preset: str | Path = DEFAULT,
    objective: Objective | str | Mapping[str, Any] | None = None,
    encoder: Callable[[int], Encoder] | str | Mapping[str, Any] | None = None,
    views: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None,
    pairing: Pairing | str | Mapping[str, Any] | None = None,
    training: Training | Mapping[str, Any] | None = None,
    resume: bool | str | Path = False,
) -> Path:
    """Learn an encoder from unlabelled recordings; write a run folder.

    Whatever is not given is as the preset has it.

    Parameters
    ----------
    data : Store, str, Path, Data or dict, optional
        A store, its folder or the name of a dataset; or settings of `Data`, such as
        ``{"source": "store", "test": ["07"]}``.
    out : str or Path, optional
        Run folder.
    preset : str or Path
        Preset of ``tsclr presets``, or YAML file.
    objective : Objective, str or dict, optional
        An object, the name of a class, or a spec such as ``{"class": "MoCo", "queue": 1024}``. A
        dict without a class changes arguments of the preset's.
    encoder : callable, str or dict, optional
        As `objective`; a callable makes an encoder from its number of channels.
    views : list, or dict of lists, optional
        Augmentations for all views, or a pipeline for each view by name.
    pairing : Pairing, str or dict, optional
        As `objective`.
    training : Training or dict, optional
        Settings of the optimiser; a dict changes those it names.
    resume : bool, str or Path
        True goes on with the run in `out`, where there is one. A run folder goes on with that run
        and needs nothing else; with ``training={"epochs": 40}`` it trains on.

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    FileExistsError
        If there is a run in `out` and `resume` is not set.
    FileNotFoundError
        If there is no such preset, or no run to resume.
    SpecError
        If a value cannot be used; the message says where it is.
    ValueError
        If a run is resumed with other settings.
    CollapseError
        If the encoder tells windows apart no longer.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> run = pretrain(
    ...     "synthetic",
    ...     out=f"{folder}/run",
    ...     encoder={"width": 8},
    ...     training={"epochs": 1, "batch_size": 32, "windows_per_epoch": 64, "min_rank": 0.0},
    ... )
    >>> (run / "checkpoint.safetensors").exists()
    True
    """
    if resume is True and out is not None and preset == DEFAULT and Path(out, CONFIG).is_file():
        resume = out
    if isinstance(resume, str | Path):
        out, preset, resume = resume, Path(resume, CONFIG), True
        if not preset.is_file():
            raise FileNotFoundError(
                f"no run to resume in {out}: name the folder that `tsclr pretrain --out` wrote"
            )
    asked = {"objective": objective, "encoder": encoder, "views": views, "pairing": pairing}
    asked |= {"data": _source(data), "training": training}
    changes = {name: change for name, change in asked.items() if change is not None}
    given = read_config(preset, changes)
    out = out or read_yaml(config_file(preset)).get("out")
    if out is None:
        raise ValueError("no folder for the run is named: give one with out (--out)")
    return train(**{name: getattr(given, name) for name in NAMED}, out=Path(out), resume=resume)


def _source(data: Data | Store | str | Path | Mapping[str, Any] | None) -> Any:
    """Data as a change of a config."""
    if isinstance(data, Store):
        return {"source": data}
    return {"source": str(data)} if isinstance(data, str | Path) else data
