"""What lies on disk for a run."""
