"""What a version is worth on held-out rows."""
