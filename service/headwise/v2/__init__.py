"""The Open Inference Protocol (V2): generated from proto/headwise/v2."""
