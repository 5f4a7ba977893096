"""Held rows for the report and the work lists: causes, companies, and row counts by company."""
