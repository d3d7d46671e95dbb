"""Offline: how good a head's probabilities and decisions are. Pure numpy."""
