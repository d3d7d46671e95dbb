"""The embedded model server: TensorFlow Serving's gRPC interface over SavedModels in one process."""
