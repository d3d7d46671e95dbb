"""Tunes decisions on calibrated probabilities: thresholds, guarantees, prediction sets, priors."""
