"""Step 5: staging and publishing."""
