"""Proves a version before it takes traffic: its golden records, run through the backend."""
