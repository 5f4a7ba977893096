"""The object stores as the verifier reads them."""
