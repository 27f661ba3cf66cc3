"""The sample app on a phone: whether it is there, its folder, and its activities.

A debug build lets adb into its folder by run-as, which starts in it and as the app's own user.
"""

from squeezebert_mobile.benchmarks.phone import parsing
from squeezebert_mobile.benchmarks.phone.adb import Answer, Device
from squeezebert_mobile.benchmarks.phone.errors import PhoneError

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

_SECONDS = 60.0  # for an activity to come up, or an APK's SHA-256
_ABSENT = f"the sample app ({PACKAGE}) is not installed on the phone; {INSTALL}"
#: What run-as says (Android 8 and later; then up to 7), and what that means.
_REFUSALS = {
    "unknown package": _ABSENT,
    "is unknown": _ABSENT,
    "not debuggable": (
        f"the sample app ({PACKAGE}) on the phone is a release build, into which adb may not look; "
        f"run: adb uninstall {PACKAGE}, then {INSTALL}"
    ),
}
#: What is in the reason why an activity did not start, and what to do then.
_START_REMEDIES = {
    "does not exist": f"the app is of another version; {INSTALL}",
    "permission denial": "allow it in the developer options (some makers call it USB debugging "
    "with security settings)",
}


def find_app(device: Device) -> str | None:
    """The path of the app's APK; None where it is not installed."""
    return parsing.package_path(device.run("pm", "path", PACKAGE, timeout=_SECONDS).out)


def check_app(device: Device) -> None:
    """See that the app is installed, and lets adb into its folder.

    Raises:
        PhoneError: it is not there, or it is a release build.
        PhoneGone: the phone does not answer.
    """
    if find_app(device) is None:
        raise PhoneError(_ABSENT)
    in_app(device, "ls", "-d", ".")


def apk_sha256(device: Device) -> str:
    """What the installed app is: the SHA-256 of its APK.

    Raises:
        PhoneError: it is not there, or adb may not read it.
        PhoneGone: the phone does not answer.
    """
    path = find_app(device)
    if path is None:
        raise PhoneError(_ABSENT)
    told = device.run("sha256sum", path, timeout=_SECONDS)
    if told.code:
        raise PhoneError(f"the phone does not tell what app it has: {_reason(told)}; {INSTALL}")
    return told.out[:64]


def run_as(device: Device, *arguments: str, timeout: float = _SECONDS) -> Answer:
    """Run a program as the app's user, in the app's folder."""
    return device.run("run-as", PACKAGE, *arguments, timeout=timeout)


def in_app(device: Device, *arguments: str, timeout: float = _SECONDS) -> None:
    """As `run_as`, for what must succeed.

    Raises:
        PhoneError: it does not.
        PhoneGone: the phone does not answer.
    """
    told = run_as(device, *arguments, timeout=timeout)
    if told.code == 0:
        return
    reason = _reason(told)
    for words, meaning in _REFUSALS.items():
        if words in reason:
            raise PhoneError(meaning)
    raise PhoneError(
        f"the app's folder on the phone refuses it: {reason}; make room on the phone, and run it "
        "again"
    )


def start_activity(device: Device, name: str, extras: dict[str, str] | None = None) -> None:
    """Bring an activity of the app to the front.

    Args:
        device: The phone.
        name: The activity's, such as HomeActivity.
        extras: Texts that it gets.

    Raises:
        PhoneError: Android does not start it.
        PhoneGone: the phone does not answer.
    """
    given = [word for key, value in (extras or {}).items() for word in ("--es", key, value)]
    component = f"{PACKAGE}/.{name}"
    told = device.run("am", "start", "-W", "-n", component, *given, timeout=_SECONDS)
    why = parsing.start_refusal(f"{told.out}\n{told.err}")
    if why is None and told.code:
        why = _reason(told)
    if why is not None:
        known = (remedy for words, remedy in _START_REMEDIES.items() if words in why.lower())
        remedy = next(known, "unlock the phone, and run it again")
        raise PhoneError(f"the phone does not start {component}: {why.rstrip('.')}; {remedy}")


def stop_app(device: Device) -> None:
    """End the app's process, so that the next one is a fresh one."""
    device.run("am", "force-stop", PACKAGE)


def _reason(told: Answer) -> str:
    said = (told.err.strip() or told.out.strip()).splitlines()
    return said[-1] if said else f"exit status {told.code}"
