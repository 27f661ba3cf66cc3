"""Phone errors: which are retried, which are fatal.

`RunnerDied` is retried once. `RunnerRefused` before the first block leaves that contender out. All
others end the run; what was measured is kept in the journal, so that the run can be resumed.
"""

from squeezebert_mobile.errors import BenchmarkError

__all__ = ["PhoneError", "PhoneSilent", "PhoneUnreachable", "RunnerDied", "RunnerRefused"]


class PhoneError(BenchmarkError):
    """A phone, adb, or the runner on the phone refuses something; trying again does not help."""


class PhoneUnreachable(PhoneError):
    """The phone or the adb server stopped answering: cable unplugged, reboot, killed server."""


class PhoneSilent(PhoneUnreachable):
    """A program on the phone sent nothing in time, although the phone is connected."""


class RunnerDied(PhoneError):
    """The runner ended without an error message: killed by Android, or crashed in native code."""


class RunnerRefused(PhoneError):
    """The runner cannot load or run this artifact, or the phone computes wrong outputs with it."""
