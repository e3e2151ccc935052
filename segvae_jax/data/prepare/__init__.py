"""Prepares a source once: reads, resizes, removes duplicates, splits, and stores maps with a report."""
