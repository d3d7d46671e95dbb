"""The catalogue for a Keras model in memory: a check after compile, a callback in fit."""
