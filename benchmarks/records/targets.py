"""Where a measurement runs."""

from typing import Literal

__all__ = ["Accelerator", "PhoneTarget", "Target"]

#: A process of adb's shell on a phone; the sample app on a phone.
PhoneTarget = Literal["adb", "app"]
#: This machine, or one of the two on a phone.
Target = Literal["host", PhoneTarget]
#: What is asked to run a LiteRT artifact.
Accelerator = Literal["cpu", "gpu", "npu"]
