"""Decisions into a plan: order, limits, fingerprint, rendering. Pure."""
