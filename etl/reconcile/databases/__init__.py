"""The databases as the verifier reads them."""
