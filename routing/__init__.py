"""Which queue, which priority, which action: pure decisions with their reasons."""
