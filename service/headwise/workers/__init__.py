"""Several gateway processes behind the same ports, and the process that starts and stops them."""
