"""What a user may import stays where it is, is quick to reach, and says what it does."""

import inspect
import pydoc
import re
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

PUBLIC = {
    "tsclr": """
        Data Embedder Recording Store Training Windows augment bench datasets encoders ingest load
        objectives pairs pretrain probe
    """,
    "tsclr.objectives": """
        BYOL BarlowTwins Batch CMC CPC ContextPrediction DCL Dense InstanceDiscrimination
        LocalGlobal MaskedReconstruction MoCo NTXent Objective PatchNCE SimSiam SupCon SwAV TFC TNC
        TS2Vec TSTCC TokenContext TransformPrediction VICReg Weighted apply_some barlow_twins byol
        contrastive_distance correspondence cross_view_prediction dcl dense_nce gather hide
        hierarchical_contrast instance_contrast instance_nce local_global_nce log_partition
        momentum_contrast multiview_nce neighbourhood_coding nt_xent patch_nce predictive_coding
        projector reconstruction_error relative_position represent simsiam sinkhorn span_mask
        sup_con swav temporal_contrast time_frequency_consistency vicreg
    """,
    "tsclr.encoders": "CNN1d Concat Encoder ResNet1d Spectrum Statistics Transformer",
    "tsclr.pairs": """
        Neighbour OtherDevice OtherSensor Pairing SameRecording SameWindow StationaryNeighbour
    """,
    "tsclr.datasets": "BasicMotions Dataset Hapt MotionSense SpSw Synthetic Wisdm find",
    "tsclr.readers": "Reader Tabular find_files",
    "tsclr.audit": """
        Finding Leak Ledger audit_windows certificate check_certificate leaks load_windows
        visible_overlap
    """,
    "tsclr.augment": """
        AmplitudeNoise Augmentation BandStop Chain ChannelDropout ChannelShuffle Crop CutMix Drift
        FrequencyMask FromTsaug Jitter MagnitudeWarp Mirror Mixup MountFlip Negate Offset OneOf
        Permute PhaseNoise Pool Quantity Quantize RandomOrder Resample Reverse Rotate SampleDropout
        Saturate Scale SensorDropout Smooth SomeOf TimeMask TimeShift TimeWarp Yaw soft_targets
    """,
}
NAMES = [(module, name) for module, names in PUBLIC.items() for name in names.split()]


@pytest.mark.parametrize("module", PUBLIC)
def test_no_public_name_vanishes_and_none_appears_unnoticed(module: str) -> None:
    exported = {
        name
        for name in dir(import_module(module))
        if not name.startswith("_") and not inspect.ismodule(getattr(import_module(module), name))
    }
    listed = set(PUBLIC[module].split())
    packages = {name for name in listed if inspect.ismodule(getattr(import_module(module), name))}
    assert exported == listed - packages


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_help_of_each_public_name_says_what_it_does(module: str, name: str) -> None:
    thing = getattr(import_module(module), name)
    assert inspect.getdoc(thing)
    assert name in pydoc.render_doc(thing, renderer=pydoc.plaintext)
    for parameter in parameters(thing):
        line = rf"^ *(\w+, )*\**{parameter}(, \w+)* :"
        assert re.search(line, thing.__doc__, re.MULTILINE), f"{parameter} is not documented"


def parameters(thing: Any) -> list[str]:
    """Names that a caller may give a function or the constructor of a class."""
    if inspect.ismodule(thing):
        return []
    names = inspect.signature(thing).parameters
    return [name for name in names if name not in ("self", "args", "kwargs")]


def test_nothing_slow_is_imported_before_it_is_used() -> None:
    code = "import tsclr, sys; dir(tsclr); print(*{'torch', 'numpy', 'pandas'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="pretrian"):
        import_module("tsclr").pretrian  # noqa: B018
