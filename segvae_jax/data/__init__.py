"""From label maps on disk to batches: sources, splits, builder, pipeline, and the cartoon set."""
