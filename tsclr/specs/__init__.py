"""The one language of configs and checkpoints: objects as plain data, and plain data as objects.

A *spec* is ``{"class": name, argument: value, …}``, or the name alone where every argument has its
default. `spec_of` describes an object, `from_spec` and `Builder` make one.
"""

from tsclr.specs.build import Builder, from_spec
from tsclr.specs.compare import differences
from tsclr.specs.describe import comma_list, importable_name, nearest, spec_of, subclasses
from tsclr.specs.errors import SpecError
from tsclr.specs.text import Word, parse_yaml, read_yaml

__all__ = [
    "Builder",
    "SpecError",
    "Word",
    "comma_list",
    "differences",
    "from_spec",
    "importable_name",
    "nearest",
    "parse_yaml",
    "read_yaml",
    "spec_of",
    "subclasses",
]
