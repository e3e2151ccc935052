"""Prepares a source once: reads, resizes, deduplicates, splits and stores its maps, with a report."""
