"""Bodies that are no JSON: content type to arrays, and answers as arrays."""
