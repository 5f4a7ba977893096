"""Held rows: what holds each, which company it belongs to, and how many rows a company has where. For the report and the work lists."""
