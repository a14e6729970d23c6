"""Scores, metrics and arrays in, one self-contained HTML file out.

Each function makes one section from plain data, and `write_report` puts sections on a page.
Importing this package imports matplotlib.
"""

from tsclr.report.confusion import confusion, confusion_of_methods
from tsclr.report.cost import cost_against_score
from tsclr.report.critical_difference import critical_difference
from tsclr.report.embedding import embedding_scatter
from tsclr.report.page import write_report
from tsclr.report.runs import run_curves
from tsclr.report.scores import budget_curve, results_table
from tsclr.report.section import Section, Table
from tsclr.report.subjects import subject_scores
from tsclr.report.training import training_curves
from tsclr.report.views import two_views

__all__ = [
    "Section",
    "Table",
    "budget_curve",
    "confusion",
    "confusion_of_methods",
    "cost_against_score",
    "critical_difference",
    "embedding_scatter",
    "results_table",
    "run_curves",
    "subject_scores",
    "training_curves",
    "two_views",
    "write_report",
]
