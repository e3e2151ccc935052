"""Networks whose features maps are compared by."""
