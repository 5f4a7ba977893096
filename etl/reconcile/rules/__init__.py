"""The verifier's own reading of the rules, one module per chapter."""
