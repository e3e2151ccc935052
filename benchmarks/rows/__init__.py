"""What is measured, a file a section; each has `rows(plan)`, which yields rows as they are measured."""
