"""State, step, loop, checkpoints and metric writers."""
