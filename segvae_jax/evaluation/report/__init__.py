"""The table and the page of an evaluation."""
