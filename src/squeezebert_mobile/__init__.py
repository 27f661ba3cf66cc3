"""SqueezeBERT on phones: export a checkpoint, run the artifact, benchmark it."""

__version__ = "0.1.0"
__all__ = ["__version__"]
