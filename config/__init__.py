"""Settings, tenant files, industry templates and logging."""
