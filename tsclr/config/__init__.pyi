from .presets import presets
from .pretraining import Pretraining, pretrain, read_config, starter

__all__ = ["Pretraining", "presets", "pretrain", "read_config", "starter"]
