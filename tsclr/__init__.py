"""Contrastive self-supervised learning on wearable time-series sensor data.

Raw logs become a store, windows of the store become positive pairs of views, an encoder learns from
them without labels, and its features recognise activities from a few labelled windows::

    store = tsclr.ingest("my_logs", "store", rate=50)
    run = tsclr.pretrain(store, objective="NTXent", out="runs/a")
    scores = tsclr.probe(run)
    features = tsclr.load(run).transform(windows)

Every name is imported when it is first used, so that `import tsclr` takes milliseconds.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
