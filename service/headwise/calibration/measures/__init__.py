"""How well probabilities are calibrated: errors, diagrams, intervals."""
