"""Measuring on this machine, and what phones share with it: schedule, inputs, settings."""
