"""Training of a translator on pairs of a map and its picture."""
