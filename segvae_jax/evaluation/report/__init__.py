"""The table in the terminal and the page of an evaluation."""
