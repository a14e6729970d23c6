"""Speed, memory and scores, measured; the results are kept in ``benchmarks/results``."""
