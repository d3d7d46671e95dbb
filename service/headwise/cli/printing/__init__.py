"""What verbs print: JSON documents, tables, diagnostics."""
