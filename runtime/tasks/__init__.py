"""Pipelines: a module a task."""
