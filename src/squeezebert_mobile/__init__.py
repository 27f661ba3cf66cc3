"""SqueezeBERT on phones: export a checkpoint, run the artifact, benchmark it."""

import os

# Since 1.29 ONNX Runtime reports its use to Microsoft, under an id that it keeps in the user's
# cache. It reads this when it is imported, by us or by a library. A value of the user is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["__version__"]
