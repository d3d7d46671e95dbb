"""TensorFlow Serving's REST surface, as recordings of a real server have it."""
