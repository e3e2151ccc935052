"""The layouts in which data sets lie on disk, in folders and .zip files alike: readers, and how to tell them apart."""
