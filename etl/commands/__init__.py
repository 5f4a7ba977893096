"""One module for each command that is not a step."""
