"""Pipelines: one module per task."""
