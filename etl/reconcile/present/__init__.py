"""The adapter a second time: read and carried out by the verifier itself, cell by cell, from the raw cells."""
