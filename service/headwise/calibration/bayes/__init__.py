"""Few rows: Bayes' rule over a grid of calibrators, and what taking one of them risks."""
