"""Traces of requests, by OpenTelemetry, which is loaded when `start` is asked to: it is an extra."""
