"""Which samples were used for what: a ledger, its certificate, and leaks in any split.

Every name is imported when it is first used: the audit of somebody else's arrays needs NumPy alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
