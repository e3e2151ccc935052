"""Experiments: `--config=configs/NAME.py[:variant]`."""
