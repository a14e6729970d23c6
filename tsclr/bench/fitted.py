"""A unit whose method has learned, and the results of its cells."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float32
from sklearn.decomposition import PCA

from tsclr.audit.ledger import Ledger, merged
from tsclr.bench.access import Representation
from tsclr.bench.cache import cached
from tsclr.bench.choices import validation_subjects
from tsclr.bench.isolated import Isolated
from tsclr.bench.provenance import provenance_of
from tsclr.bench.segmentation import segment
from tsclr.bench.unit import EMBEDDING, SEGMENTATION, Cell, Unit
from tsclr.data.splits import parse_budget
from tsclr.data.windows import Windows, all_of, samples
from tsclr.evaluate.heads import EncoderHead, FeatureHead, find_head
from tsclr.evaluate.task import Candidate
from tsclr.train.monitor import forget_peak_memory, peak_memory

N_POINTS = 1500
"""Test windows in the plot of the features, at most."""


def run_unit(unit: Unit) -> None:
    """Compute the cells that are missing; the method learns only if there is one."""
    forget_peak_memory()
    fit = cache(partial(FittedUnit.fit, unit))
    special = {SEGMENTATION: FittedUnit.segment, EMBEDDING: FittedUnit.plot_points}
    for cell in unit.cells:
        compute = special.get(cell.head, FittedUnit.score)
        cached(cell.path, lambda compute=compute, cell=cell: compute(fit(), cell))


@dataclass(frozen=True)
class FittedUnit:
    """A unit whose method has learned without labels."""

    unit: Unit
    representation: Representation
    features: Float[np.ndarray, "N F"] | None
    provenance: pd.DataFrame
    cost: dict[str, float]

    @classmethod
    def fit(cls, unit: Unit) -> "FittedUnit":
        """Let the method of a unit learn; no label has been drawn by then."""
        access = unit.access()
        began = time.perf_counter()
        representation = unit.method.learn(access)
        # They are wrapped before test windows are embedded, so that none of these can be kept.
        classifiers = {
            name: guarded(unit.method, own) for name, own in representation.classifiers.items()
        }
        cost = {"seconds": representation.seconds or time.perf_counter() - began}
        began = time.perf_counter()
        features = representation.features(unit.benchmark.windows)
        if features is not None:
            cost["windows_per_second"] = len(features) / (time.perf_counter() - began)
            cost["features"] = features.shape[1]
        if representation.encoder is not None:
            tensors = representation.encoder.parameters()
            cost["parameters"] = sum(tensor.numel() for tensor in tensors)
        access.close()
        provenance, reason = provenance_of(unit, access)
        uncertified = representation.uncertified or reason
        learned = replace(representation, classifiers=classifiers, uncertified=uncertified)
        return cls(unit, learned, features, provenance, cost)

    @cached_property
    def windows(self) -> Float32[np.ndarray, "N C T"]:
        """The labelled windows, for heads that train an encoder."""
        return all_of(self.unit.benchmark.windows)

    def candidate(self, name: str) -> Candidate:
        """The method under a head, by the name of the head."""
        representation = self.representation
        if name in representation.classifiers:
            return Candidate(self.windows, lambda _: representation.classifiers[name])
        head = find_head(name)
        if isinstance(head, FeatureHead) and self.features is not None:

            def for_labels(n_labels: int) -> list[Any]:
                return guarded(head, head.classifiers(n_labels))

            return Candidate(self.features, for_labels, head.sees_unlabelled, head.bounds)
        if isinstance(head, EncoderHead) and representation.encoder is not None:
            classifiers = guarded(head, head.classifiers(representation.encoder))
            return Candidate(self.windows, lambda _: classifiers, head.sees_unlabelled, head.bounds)
        raise ValueError(
            f"{self.unit.method_name} returns nothing that the head {name!r} can use: return "
            "features or an encoder in its Representation, or choose another head"
        )

    def score(self, cell: Cell) -> dict[str, Any]:
        """Confusion counts under the head and budget of a cell, and how they came about."""
        began = time.perf_counter()
        task, budget = self.unit.task(), parse_budget(cell.budget)
        candidate = self.candidate(cell.head)
        choice = candidate.select(task, budget)
        scored = candidate.evaluate(choice.classifier, task, budget)
        cost: dict[str, Any] = {"head_seconds": time.perf_counter() - began}
        cost["memory_mib"] = peak_memory(torch.device("cpu"))
        provenance = self._provenance(task.ledger)
        return {
            "subjects": np.unique(task.side(task.split.test).subjects).tolist(),
            "untrained": task.untrained(),
            "counts": scored.counts.tolist(),
            "seeds": scored.seeds,
            "chosen": str(choice.classifier),
            "ends": choice.ends + scored.ends,
            "validation_macro_f1": choice.score,
            "validation": validation_subjects(provenance["provenance"]),
            "cost": self.cost | cost,
            **provenance,
        }

    def plot_points(self, cell: Cell) -> dict[str, Any]:
        """Windows of the test subjects on the two main axes of their features."""
        task, features = self.unit.task(), self.features
        test = np.random.default_rng(task.seed).permutation(task.where(task.split.test))[:N_POINTS]
        if features is None:
            raise ValueError(
                f"{self.unit.method_name} returns no features to plot: set embed in the "
                "Representation it returns, or encodes = False in its class"
            )
        task.ledger.note("test", task.windows, test)
        points = np.zeros((len(test), 2))
        if len(test) > 1:
            points = PCA(2, random_state=0).fit_transform(features[test])
        return {
            "points": points.round(4).tolist(),
            "labels": [task.classes[label] for label in task.windows.labels[test]],
            "subjects": task.windows.subjects[test].tolist(),
            **self._provenance(task.ledger),
        }

    def segment(self, cell: Cell) -> dict[str, Any]:
        """Scores of a label for every sample of the test subjects, of all classes of the store."""
        unit, encoder = self.unit, self.representation.encoder
        if encoder is None:
            raise ValueError(
                f"{unit.method_name} returns no encoder to segment with: set one in the "
                "Representation it returns, or encodes = False in its class"
            )
        benchmark, split, ledger = unit.benchmark, unit.split, Ledger(unit.benchmark.name)
        seconds = unit.scoring.segmentation or 0
        stride = samples(seconds, benchmark.store.sample_rate, "segmentation step")
        for role, subjects in (
            ("statistics", split.train),
            ("choice", (*split.train, *split.validation)),
            ("fitting", (*split.train, *split.validation)),
            ("test", split.test),
        ):
            streams = Windows.sliding(benchmark.store, benchmark.length, stride, subjects)
            ledger.note(role, streams)
        scores = segment(
            encoder,
            benchmark.store,
            split,
            benchmark.store.classes,
            benchmark.length,
            stride,
            seed=unit.scoring.seed,
        )
        return scores | {"cost": self.cost, **self._provenance(ledger)}

    def _provenance(self, ledger: Ledger) -> dict[str, Any]:
        """What learning and what came after it have seen, as JSON can hold it."""
        frame = merged([self.provenance, ledger.frame()])
        return {
            "provenance": frame.to_dict("records"),
            "uncertified": self.representation.uncertified,
        }


def guarded(maker: object, classifiers: Sequence[Any]) -> list[Any]:
    """The classifiers of a head or a method; those of the user's own are fitted in isolation."""
    kind = type(maker)
    # The name of a module is only claimed, so the class is looked for in it.
    is_ours = kind.__module__.startswith("tsclr.") and kind is getattr(
        sys.modules.get(kind.__module__), kind.__name__, None
    )
    return list(classifiers) if is_ours else [Isolated.of(own) for own in classifiers]
