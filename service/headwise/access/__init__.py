"""Who may do what: credentials, scopes, keys and their rates, certificates."""
