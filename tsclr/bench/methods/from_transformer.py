"""The method that is any scikit-learn transformer."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float

from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.cache import source_digest
from tsclr.bench.methods.base import Method
from tsclr.data.windows import Windows, all_of

__all__ = ["FromTransformer"]


class FromTransformer(Method):
    """Features of a scikit-learn transformer that is fitted on unlabelled training windows.

    It is fitted on `tsclr.bench.access.N_MOMENTS` windows over the streams of the training
    subjects, and its output is standardised like that of an encoder.

    Parameters
    ----------
    transformer : str
        Class path, such as ``sklearn.decomposition.PCA`` or ``mine.Spectrum``.
    settings : dict, optional
        Arguments of its constructor.
    flatten : bool
        Pass windows as rows (N, C·T), which scikit-learn's transformers expect, not as (N, C, T).
    heads : sequence of str, optional
        Heads for this method, instead of those of the suite.
    """

    encodes = False

    def __init__(
        self,
        transformer: str,
        settings: dict[str, Any] | None = None,
        flatten: bool = True,
        heads: Sequence[str] | None = None,
    ) -> None:
        super().__init__(heads)
        self.transformer = transformer
        self.settings = settings
        self.flatten = flatten

    def check(self) -> None:
        """Raise unless the class can be imported and takes these settings."""
        super().check()
        self._build()

    def key(self) -> dict[str, Any]:
        """The source of the transformer counts too."""
        return super().key() | {"classes": source_digest(type(self._build()))}

    def learn(self, access: FoldAccess) -> Representation:
        """Fit the transformer without labels."""
        transformer = self._build()
        transformer.fit(self._array(access.sample()))

        def embed(windows: Windows) -> Float[np.ndarray, "N F"]:
            features = np.asarray(transformer.transform(self._array(windows)))
            return features.reshape(len(windows), -1)

        return Representation(access.standardised(embed))

    def _array(self, windows: Windows) -> Float[np.ndarray, "N ..."]:
        """Windows as the transformer reads them."""
        array = all_of(windows)
        return array.reshape(len(array), -1) if self.flatten else array

    def _build(self) -> Any:
        """The unfitted transformer."""
        module, _, name = self.transformer.rpartition(".")
        try:
            transformer = getattr(import_module(module), name)(**(self.settings or {}))
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"cannot make the transformer {self.transformer!r}: {error}"
            ) from error
        if not (hasattr(transformer, "fit") and hasattr(transformer, "transform")):
            raise ValueError(f"{self.transformer} is not a transformer: it needs fit and transform")
        return transformer
