"""What runs the models: TensorFlow Serving over gRPC, or functions in memory."""
