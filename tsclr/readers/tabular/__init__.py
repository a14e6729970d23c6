"""CSV and Parquet logs in, recordings out."""

from tsclr.readers.tabular.reader import Tabular

__all__ = ["Tabular"]
