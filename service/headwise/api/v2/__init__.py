"""The Open Inference Protocol (V2), as far as HTTP and gRPC share it."""
