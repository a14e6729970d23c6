"""Heads: the classifiers that are fitted on labelled windows, one small class per head.

A new head is one class in one module of this package: subclassing `FeatureHead` or `EncoderHead`
registers it, and every module here is imported. A head outside of the package is named by its class
path, such as ``mine.SupportVectors``.
"""

from importlib import import_module
from pkgutil import iter_modules

from tsclr.evaluate.heads.base import EncoderHead, FeatureHead, Head, find_head, registered_heads

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["EncoderHead", "FeatureHead", "Head", "find_head", "registered_heads"]
