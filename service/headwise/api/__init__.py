"""The surfaces: thin translations between bytes and the gateway."""
