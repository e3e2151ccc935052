"""The sections, one module per section. Each module has `rows(plan)`, which yields rows as they are measured."""
