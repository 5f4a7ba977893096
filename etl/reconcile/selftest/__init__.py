"""The verifier tested with planted faults."""
