"""SqueezeBERT on a phone: export a checkpoint, run the artifact, measure it."""

__version__ = "0.1.0"
__all__ = ["__version__"]
