"""Maps in ArrayRecord files and in folders of PNGs."""
