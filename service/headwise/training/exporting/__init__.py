"""From a Keras model to a servable version: heads inferred, held against the catalogue, proved by running them."""
