"""Arrays in, numbers out: what results mean."""
