"""Tensors and plain settings in one safetensors file; nothing is ever unpickled.

The settings travel as JSON in the header of the file, so tensors and settings cannot part, and a
SHA-256 over both reveals a damaged file.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from tsclr.encoders import Encoder
from tsclr.files import replacing
from tsclr.specs import SpecError, from_spec, spec_of
from tsclr.types import InputSpec

if TYPE_CHECKING:
    from tsclr.data.splits import Split

log = logging.getLogger(__name__)

Module = TypeVar("Module", bound=nn.Module)

FORMAT = 1
FILE = "checkpoint.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """What a run keeps: tensors by dotted name, and settings that JSON can hold.

    Parameters
    ----------
    tensors : dict of str to Tensor
        ``encoder.…``, ``objective.…``, ``optimizer.…``, ``readout.…``.
    settings : dict
        Among others ``encoder`` (its spec) and ``input`` (its `InputSpec`).
    path : Path, optional
        File that it was read from.

    Examples
    --------
    >>> import tempfile
    >>> from tsclr.encoders import CNN1d
    >>> spec = InputSpec(("acc_x", "acc_y", "acc_z"), 50.0, 128)
    >>> path = Path(tempfile.mkdtemp()) / FILE
    >>> Checkpoint.of(CNN1d(3), spec).save(path)
    >>> Checkpoint.load(path).input_spec == spec
    True
    """

    tensors: dict[str, torch.Tensor]
    settings: dict[str, Any]
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, encoder: Encoder, input_spec: InputSpec, **settings: Any) -> "Checkpoint":
        """Checkpoint of an encoder and whatever else it should carry.

        Parameters
        ----------
        encoder : Encoder
            Its weights and its spec are kept.
        input_spec : InputSpec
            What it accepts.
        **settings
            Anything that JSON can hold.
        """
        accepted = {"units": input_spec.units, "scale": encoder.input_scale.tolist()}
        described = {"encoder": spec_of(encoder), "input": asdict(input_spec) | accepted}
        return cls({}, settings | described).adding("encoder", encoder.state_dict())

    def adding(self, prefix: str, tensors: dict[str, torch.Tensor]) -> "Checkpoint":
        """Checkpoint with more tensors under ``prefix.``."""
        added = {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
        return replace(self, tensors=self.tensors | added)

    def section(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors under ``prefix.``, without it."""
        start = f"{prefix}."
        return {
            name.removeprefix(start): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(start)
        }

    @property
    def split(self) -> "Split":
        """Who the run has trained on, watched and left out."""
        from tsclr.data.splits import Split  # imports pandas, which an embedder does without

        return Split(**{side: tuple(names) for side, names in self.settings["split"].items()})

    def save(self, path: str | Path) -> None:
        """Write in one step: the old file stays until the new one is whole.

        Parameters
        ----------
        path : str or Path
            File to replace.
        """
        settings = json.dumps({"format": FORMAT, **self.settings})
        tensors = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()
        }
        header = {"tsclr": settings, "sha256": _digest(settings, tensors)}
        with replacing(Path(path)) as temporary:  # save_file would write another temporary file
            temporary.write_bytes(save(tensors, header))

    @classmethod
    def load(cls, path: str | Path) -> "Checkpoint":
        """Read and verify.

        Parameters
        ----------
        path : str or Path
            A checkpoint, or the run folder that holds it.

        Raises
        ------
        FileNotFoundError
            If there is none; the message says what there is instead.
        ValueError
            If it is truncated, altered, or of another version.
        """
        path = _file(Path(path))
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} is truncated or damaged ({error}): {_ADVICE}") from error
        settings = header.get("tsclr", "{}")
        if header.get("sha256") != _digest(settings, tensors):
            raise ValueError(f"{path} does not match its checksum, it was altered: {_ADVICE}")
        contents = json.loads(settings)
        if not isinstance(contents, dict) or contents.pop("format", None) != FORMAT:
            raise ValueError(
                f"{path} has another checkpoint format than {FORMAT}, the one of this tsclr: "
                "use the version of tsclr that wrote it, or pretrain again"
            )
        return cls(tensors, contents, path)

    @property
    def input_spec(self) -> InputSpec:
        """What the encoder accepts."""
        return InputSpec.from_dict(self.settings["input"])

    def encoder(self) -> Encoder:
        """The encoder with its weights, in evaluation mode, on the CPU.

        A run that has not ended is named in the log, with the command that finishes it.
        """
        self._note_unfinished()
        try:
            encoder = from_spec(Encoder, self.settings["encoder"])
        except SpecError as error:
            raise ValueError(
                f"this tsclr cannot rebuild the encoder of the checkpoint ({error}): "
                "use the version of tsclr that wrote it, or pretrain again"
            ) from error
        return self.restore("encoder", encoder).eval()

    def _note_unfinished(self) -> None:
        """Log a warning if training has epochs left; a run that has ended early has a readout."""
        n_done = self.settings.get("epoch")
        n_epochs = self.settings.get("training", {}).get("epochs")
        if n_done is None or n_epochs is None or n_done >= n_epochs or self.section("readout"):
            return
        run = self.path.parent if self.path is not None and self.path.name == FILE else "RUN"
        log.warning(
            "%s is unfinished: %d of %d epochs are done; `tsclr pretrain --resume %s` finishes it",
            self.path or "the run",
            n_done,
            n_epochs,
            run,
        )

    def restore(self, prefix: str, module: Module) -> Module:
        """Put the weights under ``prefix.`` into `module`.

        Parameters
        ----------
        prefix : str
            First part of their names.
        module : nn.Module
            Of the same architecture.

        Raises
        ------
        ValueError
            If names or shapes do not fit.
        """
        try:
            module.load_state_dict(self.section(prefix))
        except RuntimeError as error:
            raise ValueError(
                f"the checkpoint does not fit this {type(module).__name__} ({error}): "
                "use the version of tsclr that wrote it, or pretrain again"
            ) from error
        return module


def _file(path: Path) -> Path:
    """The checkpoint at `path`, or in that folder."""
    if path.is_file():
        return path
    if (path / FILE).is_file():
        return path / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"no checkpoint {path}: nothing is there; write one with `tsclr pretrain`"
        )
    runs = sorted(file.parent for file in path.glob(f"*/{FILE}"))
    if runs:
        names = ", ".join(map(str, runs[:5])) + (", …" if len(runs) > 5 else "")
        raise FileNotFoundError(f"{path} is not a run, but holds {len(runs)}: name one of {names}")
    names = ", ".join(sorted(file.name for file in path.iterdir())[:5]) or "nothing"
    raise FileNotFoundError(
        f"{path} is not a run, it has no {FILE} (it holds {names}): name the folder that "
        "`tsclr pretrain --out` wrote"
    )


_ADVICE = "copy it again from where it came, or pretrain again"


def _digest(settings: str, tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over the settings and, by name, every tensor."""
    # The text as it stands in the file: written anew, the same settings may give other bytes.
    digest = hashlib.sha256(settings.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # As bytes, since NumPy has no bfloat16; flat, since a scalar cannot be viewed as bytes.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
