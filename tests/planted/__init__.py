"""Faults planted in the loader's own functions, one by one: each has to be found before anything is published."""
