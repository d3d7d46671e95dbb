"""tf.Examples, which TensorFlow Serving's Classify and Regress carry: read by signature, answered by heads."""
