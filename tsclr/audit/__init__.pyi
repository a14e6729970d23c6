from .certificates import Leak, certificate, check_certificate, leaks
from .ledger import Ledger
from .windows import Finding, audit_windows, load_windows, visible_overlap

__all__ = [
    "Finding",
    "Leak",
    "Ledger",
    "audit_windows",
    "certificate",
    "check_certificate",
    "leaks",
    "load_windows",
    "visible_overlap",
]
