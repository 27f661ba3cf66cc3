"""What goes wrong with a phone: who is asked again, and who is given up."""

from squeezebert_mobile.errors import BenchmarkError

__all__ = ["PhoneError", "PhoneGone", "RunnerDied", "RunnerRefused"]


class PhoneError(BenchmarkError):
    """Something that a phone, adb, or what runs on the phone refuses; asking again is no use."""


class PhoneGone(PhoneError):
    """The phone, or the adb server, no longer answers: a cable, a reboot, a killed server."""


class RunnerDied(PhoneError):
    """The runner ended without a word: killed by Android, or by a crash in native code."""


class RunnerRefused(PhoneError):
    """The runner cannot load or run this artifact, or the phone answers wrongly with it."""
