"""The migration itself: extract -> split -> reattach -> check -> load -> reconcile -> report."""
