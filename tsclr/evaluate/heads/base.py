"""The base classes of the heads, and how a suite finds a head by its name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

from tsclr.encoders import Encoder
from tsclr.specs import nearest, subclasses


class Head(ABC):
    """Base of all heads; a head subclasses `FeatureHead` or `EncoderHead`.

    Attributes
    ----------
    name : str
        What suites and results call it.
    sees_unlabelled : bool
        Whether its classifiers are also fitted on the training windows without a label, which are
        marked -1.
    bounds : mapping of str to float
        Natural bounds of settings, beyond which no value could be tried. Results name other
        choices at an end of what was tried.
    """

    name: ClassVar[str]
    sees_unlabelled: ClassVar[bool] = False
    bounds: ClassVar[Mapping[str, float]] = {}


class FeatureHead(Head):
    """Base of the heads that read frozen features.

    Examples
    --------
    >>> [classifier.n_neighbors for classifier in find_head("knn").classifiers(n_labels=6)]
    [1, 5]
    """

    @abstractmethod
    def classifiers(self, n_labels: int) -> list[Any]:
        """Unfitted scikit-learn classifiers to choose from on validation subjects.

        Parameters
        ----------
        n_labels : int
            Labelled windows that they will be fitted on, at least.
        """


class EncoderHead(Head):
    """Base of the heads that read windows (N, C, T) and train the encoder with the classifier.

    A classifier that subclasses `tsclr.evaluate.staged.Staged` is scored while it is trained, and
    its length is chosen too.
    """

    @abstractmethod
    def classifiers(self, encoder: Encoder) -> list[Any]:
        """Unfitted scikit-learn classifiers to choose from on validation subjects.

        Parameters
        ----------
        encoder : Encoder
            Where training starts; it must stay as it is.
        """


def registered_heads() -> dict[str, type[Head]]:
    """Every head that has been imported, by its name.

    Examples
    --------
    >>> "linear" in registered_heads(), registered_heads()["propagation"].sees_unlabelled
    (True, True)
    """
    return {head.name: head for head in subclasses(Head).values()}


def find_head(name: str) -> Head:
    """The head of a name, or of a class path.

    Parameters
    ----------
    name : str
        Name of a head, or the full name of a subclass of `Head` in a module of your own.

    Raises
    ------
    ValueError
        If there is no such head; the message suggests the near name.

    Examples
    --------
    >>> find_head("liner")
    Traceback (most recent call last):
    ValueError: no head 'liner': did you mean linear? Allowed: ...
    """
    module, _, class_name = name.rpartition(".")
    if not module:
        heads = registered_heads()
        if name not in heads:
            raise ValueError(f"no head {name!r}: {nearest(name, heads)}")
        return heads[name]()
    try:
        head = getattr(import_module(module), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"no head {name!r}: {error}") from error
    if not (isinstance(head, type) and issubclass(head, FeatureHead | EncoderHead)):
        raise ValueError(f"{name} is not a head: subclass FeatureHead or EncoderHead")
    if lacking := getattr(head, "__abstractmethods__", None):
        raise ValueError(f"the head {name} lacks {', '.join(sorted(lacking))}: define it")
    return head()
