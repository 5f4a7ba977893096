"""The two sides compared."""
