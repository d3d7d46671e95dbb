"""Calibrates a version: runs held-out rows, fits, chooses, tunes, and writes the card as a new revision."""
