"""The sample app on a phone: whether it is installed, access to its folder, its activities.

With a debug build, adb can access the app's folder through run-as, which runs a program in it as
the app's user.
"""

from squeezebert_mobile.benchmarks.phone.adb import parsing
from squeezebert_mobile.benchmarks.phone.adb.client import CommandResult, Device
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.files import ALLOW_IN_DEVELOPER_OPTIONS

__all__ = [
    "INSTALL",
    "PACKAGE",
    "apk_sha256",
    "check_app",
    "find_app",
    "in_app",
    "run_as",
    "start_activity",
    "stop_app",
]

PACKAGE = "squeezebertmobile.app"
INSTALL = "install the debug build of android_demo/app with: adb install -r APK"

_SECONDS = 60.0  # for starting an activity, or the SHA-256 of an APK
_ABSENT = f"the sample app ({PACKAGE}) is not installed on the phone; {INSTALL}"
#: Messages of run-as (of Android 8 and later; of up to 7) -> what they mean.
_REFUSALS = {
    "unknown package": _ABSENT,
    "is unknown": _ABSENT,
    "not debuggable": (
        f"the sample app ({PACKAGE}) on the phone is a release build, whose folder adb may not "
        f"read; run: adb uninstall {PACKAGE}, then {INSTALL}"
    ),
}
#: Part of the reason why an activity did not start -> what to do about it.
_START_REMEDIES = {
    "does not exist": f"the app has another version; {INSTALL}",
    "permission denial": ALLOW_IN_DEVELOPER_OPTIONS,
}


def find_app(device: Device) -> str | None:
    """The path of the app's APK; None if it is not installed."""
    return parsing.package_path(device.run("pm", "path", PACKAGE, timeout=_SECONDS).out)


def check_app(device: Device) -> None:
    """Check that the app is installed and that adb can access its folder.

    Raises:
        PhoneError: it is not installed, or it is a release build.
        PhoneUnreachable: the phone does not answer.
    """
    if find_app(device) is None:
        raise PhoneError(_ABSENT)
    in_app(device, "ls", "-d", ".")


def apk_sha256(device: Device) -> str:
    """The SHA-256 of the installed app's APK.

    Raises:
        PhoneError: it is not installed, or adb may not read it.
        PhoneUnreachable: the phone does not answer.
    """
    path = find_app(device)
    if path is None:
        raise PhoneError(_ABSENT)
    result = device.run("sha256sum", path, timeout=_SECONDS)
    checksum = parsing.sha256(result.out)
    if checksum is None:
        raise PhoneError(f"cannot read the app's APK on the phone: {_reason(result)}; {INSTALL}")
    return checksum


def run_as(device: Device, *arguments: str, timeout: float = _SECONDS) -> CommandResult:
    """Run a program as the app's user, in the app's folder."""
    return device.run("run-as", PACKAGE, *arguments, timeout=timeout)


def in_app(device: Device, *arguments: str, timeout: float = _SECONDS) -> None:
    """As `run_as`, but the program must succeed.

    Raises:
        PhoneError: it fails.
        PhoneUnreachable: the phone does not answer.
    """
    result = run_as(device, *arguments, timeout=timeout)
    if result.code == 0:
        return
    reason = _reason(result)
    for words, meaning in _REFUSALS.items():
        if words in reason:
            raise PhoneError(meaning)
    raise PhoneError(
        f"access to the app's folder on the phone failed: {reason}; free some space on the phone, "
        "and run again"
    )


def start_activity(device: Device, name: str, extras: dict[str, str] | None = None) -> None:
    """Bring an activity of the app to the foreground.

    Args:
        device: The phone.
        name: Name of the activity, such as HomeActivity.
        extras: Strings that are passed to it.

    Raises:
        PhoneError: Android did not start it.
        PhoneUnreachable: the phone does not answer.
    """
    arguments = [word for key, value in (extras or {}).items() for word in ("--es", key, value)]
    component = f"{PACKAGE}/.{name}"
    result = device.run("am", "start", "-W", "-n", component, *arguments, timeout=_SECONDS)
    why = parsing.start_refusal(f"{result.out}\n{result.err}")
    if why is None and result.code:
        why = _reason(result)
    if why is not None:
        known = (remedy for words, remedy in _START_REMEDIES.items() if words in why.lower())
        remedy = next(known, "unlock the phone, and run again")
        raise PhoneError(f"the phone did not start {component}: {why.rstrip('.')}; {remedy}")


def stop_app(device: Device) -> None:
    """End the app's process, so that the next start is a cold start."""
    device.run("am", "force-stop", PACKAGE)


def _reason(result: CommandResult) -> str:
    lines = (result.err.strip() or result.out.strip()).splitlines()
    return lines[-1] if lines else f"exit status {result.code}"
