"""What a method took of a fold in, its provenance out; the harness keeps it, not the method.

The names and files of recordings, from which a provenance is made, may tell what was done in them.
So a method only says whose streams it takes, and the ledger is written here when it has learned.
"""

import logging

import pandas as pd

from tsclr.audit.ledger import Ledger
from tsclr.bench.access import FoldAccess
from tsclr.bench.seen import check_unseen, was_pretrained_on
from tsclr.bench.unit import Unit
from tsclr.data.identity import fingerprints
from tsclr.data.settings import Data
from tsclr.data.store import Store
from tsclr.embed.checkpoint import Checkpoint

log = logging.getLogger(__name__)


def provenance_of(unit: Unit, access: FoldAccess) -> tuple[pd.DataFrame, str | None]:
    """What a method has seen, and why that is not known where a run's data are gone.

    Raises
    ------
    LeakError
        If a run that it uses was trained or validated on test subjects of the fold.
    """
    benchmark, data = unit.benchmark, unit.data()
    ledger = Ledger(benchmark.name)
    for role, subjects in access.notes:
        ledger.note(role, data.windows(benchmark.store, subjects))
    for checkpoint in access.checkpoints:
        check_unseen(checkpoint, benchmark.store, benchmark.source, data.test or [])
    reasons = [
        note_run(ledger, checkpoint, benchmark.store, benchmark.source)
        for checkpoint in access.checkpoints
    ]
    return ledger.frame(), next(filter(None, reasons), None)


def note_run(ledger: Ledger, checkpoint: Checkpoint, store: Store, source: str) -> str | None:
    """Record the windows that a run was pretrained on; if that fails, return the reason.

    Parameters
    ----------
    ledger : Ledger
        Ledger of the fold.
    checkpoint : Checkpoint
        The run.
    store : Store
        Store of the fold.
    source : str
        `tsclr.data.identity.canonical_source` of it.
    """
    used, settings = checkpoint.split, checkpoint.settings
    roles = {"pretraining": used.train}
    if settings["training"]["patience"]:  # epochs were chosen on validation subjects
        roles["choice"] = used.validation
    try:
        pretrained_on, dataset = _store_of(checkpoint, ledger, store, source)
        for role, subjects in roles.items():
            # Logs that were added to the store since are recorded too: when in doubt, record.
            windows = Data(**settings["data"]).windows(pretrained_on, subjects)
            ledger.note(role, windows, dataset=dataset)
    except (ValueError, LookupError, OSError) as error:
        reason = f"the pretraining data cannot be read: {error}"
        log.warning("the scores get no certificate: %s", reason)
        return reason
    return None


def _store_of(
    checkpoint: Checkpoint, ledger: Ledger, store: Store, source: str
) -> tuple[Store, str]:
    """The store that a run was pretrained on, and its name in the ledger.

    It is that of the fold if it has the same source or holds the same recordings.
    """
    settings, used, dataset = checkpoint.settings, checkpoint.split, ledger.dataset
    pretrained_files, subjects = set(settings["seen"]), (*used.train, *used.validation)
    if not was_pretrained_on(checkpoint, store, source):
        dataset = settings["place"]
        store = Store.load(dataset, settings["data"]["root"])
    n_lost = len(pretrained_files - set(fingerprints(store, subjects)))
    if n_lost:
        raise ValueError(
            f"{dataset} lacks {n_lost} of the {len(pretrained_files)} files of the pretraining"
        )
    return store, dataset
