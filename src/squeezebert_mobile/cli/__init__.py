"""The command line."""

from squeezebert_mobile.cli.app import app, main

__all__ = ["app", "main"]
