"""The head inside the graph, for a TensorFlow Serving without a gateway."""
