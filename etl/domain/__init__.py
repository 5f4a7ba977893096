"""Pure functions of values: ids, e-mail addresses, times, types."""
