"""The order of the steps, and the context of a run."""
