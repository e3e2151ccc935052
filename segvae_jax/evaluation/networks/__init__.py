"""Networks whose features of maps are compared."""
