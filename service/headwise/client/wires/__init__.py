"""Calls as bytes, and answers from them: over HTTP and over gRPC."""
