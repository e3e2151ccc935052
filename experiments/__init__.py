"""The paper's comparisons, run again: `python -m experiments.run`, and a user study, `python -m experiments.study`."""
