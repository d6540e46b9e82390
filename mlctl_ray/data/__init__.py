"""Sources, examples, tokenised and memory-mapped caches, length-bucketed batches."""
