"""Which accounts a row goes to, and the target rows made of it."""
