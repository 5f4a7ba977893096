"""The basis of the verifier's rules: typed sources, scopes, expected rows."""
