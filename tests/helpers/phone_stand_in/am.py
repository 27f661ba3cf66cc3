"""Replaces Android's am: `am start -n PACKAGE/.ACTIVITY --es NAME TEXT ...`, and force-stop.

Only the standard library: it is written into ROOT/system/bin and runs by itself. The stand-in
(app.py) does what it requests, because a program started here would end with its shell.
"""

import json
import os
import sys
import time
from pathlib import Path

ACTIVITIES = ("HomeActivity", "MeasureFromAdb")
SECONDS = 20.0  # for the stand-in to do it


def main() -> int:
    command, *words = sys.argv[1:] or [""]
    if command == "force-stop":
        ask({"do": "stop"})
        return 0
    if command != "start":
        print(f"Error: unknown command '{command}'", file=sys.stderr)
        return 255
    component, extras = read(words)
    package, _, activity = component.partition("/.")
    print(f"Starting: Intent {{ cmp={component}{' (has extras)' if extras else ''} }}", flush=True)
    if said := os.environ.get("STAND_IN_AM_SAYS"):
        print(said, file=sys.stderr)
        return 0
    there = Path(os.environ["STAND_IN_ROOT"], "stand_in/packages", package).is_file()
    if not there or activity not in ACTIVITIES:
        print("Error type 3", file=sys.stderr)
        name = f"{package}/{package}.{activity}"
        print(f"Error: Activity class {{{name}}} does not exist.", file=sys.stderr)
        return 1
    ask({"do": "start", "activity": activity, "extras": extras})
    print("Status: ok\nLaunchState: COLD\nTotalTime: 300\nWaitTime: 310\nComplete")
    return 0


def read(words: list[str]) -> tuple[str, dict[str, str]]:
    component, extras = "", {}
    rest = iter(words)
    for word in rest:
        if word == "-n":
            component = next(rest)
        elif word == "--es":
            name = next(rest)
            extras[name] = next(rest)
        elif word != "-W":
            raise SystemExit(f"Error: Unknown option: {word}")
    return component, extras


def ask(request: dict[str, object]) -> None:
    """Leave a request for the stand-in, and wait until it is done."""
    folder = Path(os.environ["STAND_IN_ROOT"], "stand_in/requests")
    path = folder / f"{time.time_ns()}-{os.getpid()}.json"
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(request), encoding="utf-8")
    partial.replace(path)
    limit = time.monotonic() + SECONDS
    while path.exists():
        if time.monotonic() > limit:
            raise SystemExit("Error: the stand-in does not answer")
        time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main())
