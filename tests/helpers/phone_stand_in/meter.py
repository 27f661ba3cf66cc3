"""The stand-in's power stats service: prints what Pixel's prints, with energy that is made up.

    python meter.py

It has two rails: the processor's takes what the pretended runner's answers take, the display's the
idle power. Only the standard library: it runs by itself.
"""

import json
import os
import time
from pathlib import Path

TITLE = "PowerStats HAL 2.0 energy meter"


def main() -> None:
    told = Path(os.environ["STAND_IN_ROOT"], "stand_in")
    facts = json.loads((told / "meter.json").read_text(encoding="utf-8"))
    answers = told / "answers_mj"
    own = sum(map(float, answers.read_text(encoding="utf-8").split())) if answers.exists() else 0.0
    idle = facts["idle_mw"] * (time.time() - facts["since"])
    print("\n============= PowerStats HAL 2.0 state residencies ==============")
    print("========== End of PowerStats HAL 2.0 state residencies ==========")
    print(f"\n============= {TITLE} ==============")
    print(f"  {'Channel':>32}   {'Cumulative Energy':>18}")
    for name, energy in (
        ("[S2M_VDD_CPUCL2]:CPU", facts["begin_mj"] + own),
        ("[VSYS_PWR_DISPLAY]:Display", idle),
    ):
        print(f"  {name:>32}   {energy:14.2f} mWs")
    print(f"========== End of {TITLE} ==========")


if __name__ == "__main__":
    main()
