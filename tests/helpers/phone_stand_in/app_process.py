"""Replaces Android's app_process: starts the runner on this machine's Java, or a pretended one.

Only the standard library: it is written into ROOT/system/bin and runs by itself.
"""

import json
import os
import sys
from pathlib import Path

HOME = "/data/local/tmp"
#: For a program that ends soon: compiling its code well takes longer than running it.
SHORT = ("-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def main() -> int:
    root = os.environ["STAND_IN_ROOT"]
    arguments = [each for each in sys.argv[1:] if not each.startswith("-")]
    if len(arguments) < 2 or arguments[0] != "/":
        print("app_process: no folder and class", file=sys.stderr)
        return 1
    jars = os.environ.get("CLASSPATH", "").split(":")
    wrong = next((why for jar in jars if (why := why_not(jar))), None)
    if wrong:
        print(wrong, file=sys.stderr)
        return 1
    command = runner()
    if command is None:
        print("app_process: no runner class path", file=sys.stderr)
        return 1
    jobs = [rewritten(root, each) for each in arguments[2:]]
    os.environ["STAND_IN_JOB"] = " ".join(arguments[2:])
    os.execvp(command[0], [*command, *jobs])


def why_not(jar: str) -> str | None:
    """The reason why Android would not run a jar."""
    if not os.path.isfile(jar):
        return "Error: could not find or load main class: java.lang.ClassNotFoundException"
    if int(os.environ["STAND_IN_SDK"]) >= 34 and os.stat(jar).st_mode & 0o222:
        return f"java.lang.SecurityException: Writable dex file '{jar}' is not allowed."
    return None


def runner() -> list[str] | None:
    command = json.loads(os.environ["STAND_IN_RUNNER_COMMAND"])
    class_path = os.environ.get("STAND_IN_RUNNER_CLASSPATH")
    if command:
        return command
    if not class_path:
        return None
    return ["java", *SHORT, "-cp", class_path, "squeezebertmobile.runner.Main"]


def rewritten(root: str, path: str, name: str = "") -> str:
    """A copy of a job with this machine's paths; a damaged job is left to the runner to report."""
    try:
        job = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return path
    if not isinstance(job, dict):
        return path
    for field in ("artifact", "libraries"):
        if isinstance(job.get(field), str) and job[field].startswith(HOME):
            job[field] = root + job[field]
    # The desktop's runtime has its own libraries; a missing folder is left to the runner to report.
    if isinstance(job.get("libraries"), str) and os.path.isdir(job["libraries"]):
        job["libraries"] = None
    folder = Path(root, "stand_in/jobs")
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{name or os.getpid()}.json"
    copy.write_text(json.dumps(job), encoding="utf-8")
    return str(copy)


if __name__ == "__main__":
    sys.exit(main())
