"""Metrics on sets of semantic maps, their anchors, and the report."""
