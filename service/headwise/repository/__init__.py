"""Models, their versions and their head cards."""
