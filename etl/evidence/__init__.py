"""Signatures: approvals and the evidence bundle."""
