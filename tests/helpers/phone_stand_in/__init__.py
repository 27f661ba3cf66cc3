"""A stand-in for a phone: the device's side of adb, for tests of what drives a phone.

    with AdbServer(tmp_path) as server, StandIn(tmp_path / "phone", "pixel 8") as phone:
        server.connect(phone)
        server.client.device(phone.serial).shell("getprop ro.product.model")

It is not a phone: commands run on this machine, below a folder, and the output of Android's tools
comes from files. Its property `ro.squeezebertmobile.stand_in` says so.
"""

from phone_stand_in.device import PRETEND_RUNNER, StandIn
from phone_stand_in.faults import Faults
from phone_stand_in.phones import PHONES
from phone_stand_in.server import AdbServer

__all__ = ["PHONES", "PRETEND_RUNNER", "AdbServer", "Faults", "StandIn"]
