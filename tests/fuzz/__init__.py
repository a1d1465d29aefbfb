"""What strangers can reach without a key, fed with what no program would send."""
