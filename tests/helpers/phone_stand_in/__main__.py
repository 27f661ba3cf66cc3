"""Run a stand-in by hand.

    python -m phone_stand_in FOLDER [--phone "pixel 8"] [--runner-classpath PATH | --pretend]

Then run the `adb connect` that it prints.
"""

import argparse
import signal
from pathlib import Path

from phone_stand_in.device import PRETEND_RUNNER, StandIn
from phone_stand_in.phones import PHONES

_ENDS = {signal.SIGINT, signal.SIGTERM}


def main() -> None:
    parser = argparse.ArgumentParser(prog="phone_stand_in")
    parser.add_argument("root", type=Path)
    parser.add_argument("--phone", default="pixel 8", choices=PHONES)
    parser.add_argument("--runner-classpath")
    parser.add_argument("--pretend", action="store_true", help="a runner that measures nothing")
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # in every thread
    chosen.root.mkdir(parents=True, exist_ok=True)
    with StandIn(
        chosen.root,
        chosen.phone,
        runner_classpath=chosen.runner_classpath,
        runner_command=PRETEND_RUNNER if chosen.pretend else None,
        port=chosen.port,
    ) as phone:
        print(f"adb connect {phone.serial}", flush=True)
        signal.sigwait(_ENDS)


if __name__ == "__main__":
    main()
