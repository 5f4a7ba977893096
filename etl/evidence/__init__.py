"""Signed evidence: approvals and the evidence bundle."""
