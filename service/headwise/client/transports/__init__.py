"""What sends: HTTP and gRPC, blocking and in an event loop."""
