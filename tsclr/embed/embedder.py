"""Windows in, vectors out: a trained encoder as a scikit-learn transformer."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin

from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import Batches, encode
from tsclr.embed.whitening import PairWhitening


class Embedder(TransformerMixin, BaseEstimator):
    """A pretrained encoder as a scikit-learn transformer.

    Parameters
    ----------
    run : str or Path
        Run folder or checkpoint that ``tsclr pretrain`` wrote.
    whiten : bool
        Apply the pair whitening that was fitted at the end of pretraining. Do not standardise
        its output again.
    batch_size : int
        Windows per pass.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> classifier = make_pipeline(Embedder("runs/hapt"), LogisticRegression())
    """

    def __init__(self, run: str | Path, whiten: bool = False, batch_size: int = 512) -> None:
        self.run = run
        self.whiten = whiten
        self.batch_size = batch_size

    @classmethod
    def load(cls, run: str | Path, whiten: bool = False) -> "Embedder":
        """Embedder of a run, its weights read and verified.

        Parameters
        ----------
        run : str or Path
            Run folder or checkpoint.
        whiten : bool
            Apply the pair whitening of the run.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint.
        ValueError
            If it is damaged, or has no whitening and `whiten` is set.
        """
        return cls(run, whiten).fit()

    def fit(self, X: object = None, y: object = None) -> "Embedder":
        """Read the run; nothing is learnt from `X`.

        Parameters
        ----------
        X, y : ignored
            As scikit-learn passes them.
        """
        self.checkpoint_ = Checkpoint.load(self.run)
        self.input_spec_ = self.checkpoint_.input_spec
        self.encoder_ = self.checkpoint_.encoder()
        self.whitening_ = self._whitening() if self.whiten else None
        return self

    def transform(self, X: Float[np.ndarray, "..."]) -> Float[np.ndarray, "N D"]:
        """Vectors of windows.

        Parameters
        ----------
        X : (N, C, T) float
            Windows in the units of `tsclr.types.UNITS`, with the channels, rate and length of
            ``input_spec_``.

        Raises
        ------
        ValueError
            If `X` does not fit the encoder, or a value is not finite.
        """
        if not hasattr(self, "encoder_"):
            self.fit()
        # torch warns of arrays that cannot be written to.
        X = np.require(X, np.float32, "W")
        self.input_spec_.check(X.shape)
        bad = ~np.isfinite(X).all(axis=(1, 2))
        if bad.any():
            raise ValueError(
                f"{bad.sum()} of {len(X)} windows hold NaN or infinity, the first is window "
                f"{bad.argmax()}: interpolate or drop them"
            )
        return self.vectors(X)

    def save(self, path: str | Path) -> None:
        """Write the checkpoint to another place.

        Parameters
        ----------
        path : str or Path
            File to write; it can be loaded in place of the run folder.
        """
        if not hasattr(self, "encoder_"):
            self.fit()
        self.checkpoint_.save(path)

    def vectors(self, windows: Batches | Float[np.ndarray, "N C T"]) -> Float[np.ndarray, "N D"]:
        """Vectors of windows that are known to fit the encoder, as those of a store."""
        if not hasattr(self, "encoder_"):
            self.fit()
        features = encode(self.encoder_, windows, batch_size=self.batch_size)
        return features if self.whitening_ is None else self.whitening_.transform(features)

    def _whitening(self) -> PairWhitening:
        arrays = {name: t.numpy() for name, t in self.checkpoint_.section("readout").items()}
        if not arrays:
            raise ValueError(
                f"the run {self.run} has no whitening: it is not finished (`tsclr pretrain "
                f"--resume {self.run}` finishes it), or no window had a neighbour; embed without "
                "whitening"
            )
        return PairWhitening.from_arrays(arrays)
