"""The order of the steps, and what a run is given."""
