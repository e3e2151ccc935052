"""Import of the authors' released checkpoints, and export of models."""
