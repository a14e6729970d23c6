"""Presets, YAML and command-line options in, objects of the package out.

Every name is imported when it is first used: the help of the command line needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
