"""What is wrong with a head, why, and how to fix it: card against graph, training configuration and data."""
