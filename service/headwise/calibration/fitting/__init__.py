"""Fits calibrators: one file a family, one table of all."""
