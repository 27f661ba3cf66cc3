"""Model files: a module or folder a format."""
