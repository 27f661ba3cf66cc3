"""Profiles: what the runtimes' profilers write, read, summed up and written as a trace."""
