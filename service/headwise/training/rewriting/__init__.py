"""Two softmax units as one logit unit, and back."""
