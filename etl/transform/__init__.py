"""Steps 2 and 3: split and reattach."""
