"""The comparisons of the paper, `python -m experiments.run`, and a user study, `python -m experiments.study`."""
