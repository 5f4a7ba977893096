"""What the verifier's rules stand on: typed sources, scopes, expected rows."""
