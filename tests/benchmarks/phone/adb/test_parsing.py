"""What adb and Android's tools say, in the words of several versions."""

import pytest

from squeezebert_mobile.benchmarks.phone.adb.parsing import (
    ListedDevice,
    battery,
    clusters,
    cpu_khz,
    devices,
    free_bytes,
    load_average,
    memory_bytes,
    package_path,
    properties,
    start_refusal,
    thermal,
)

DEVICES = """\
List of devices attached
* daemon started successfully
8A1X0ABCD              device usb:1-2 product:blueline model:Pixel_3 device:blueline transport_id:1
192.168.1.5:5555       offline transport_id:4
adb-123._adb-tls-connect._tcp device product:shiba model:Pixel_8 device:shiba transport_id:2
emulator-5554          unauthorized transport_id:3
????????????           no permissions (missing udev rules? user is in the plugdev group); see [http://x]
odd serial $(x) 'q'    recovery usb:1-3

"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_devices(end: str) -> None:
    assert devices(DEVICES.replace("\n", end)) == [
        ListedDevice("8A1X0ABCD", "device", "Pixel 3"),
        ListedDevice("192.168.1.5:5555", "offline", None),
        ListedDevice("adb-123._adb-tls-connect._tcp", "device", "Pixel 8"),
        ListedDevice("emulator-5554", "unauthorized", None),
        ListedDevice("????????????", "no permissions", None),
        ListedDevice("odd serial $(x) 'q'", "recovery", None),
    ]


def test_no_devices() -> None:
    assert devices("List of devices attached\n\n") == []
    assert devices("") == []


def test_properties_over_several_lines_and_with_brackets() -> None:
    text = (
        "[ro.build.version.release]: [12]\r\n[ro.empty]: []\r\n"
        "[persist.note]: [one\r\ntwo]\r\n[ro.odd]: [a]: [b]\r\n"
    )
    assert properties(text) == {
        "ro.build.version.release": "12",
        "ro.empty": "",
        "persist.note": "one\r\ntwo",
        "ro.odd": "a]: [b",
    }


ANDROID_10 = """\
IsStatusOverride: false
ThermalEventListeners:
	callbacks: 1
Thermal Status: 1
Cached temperatures:
 Temperature{mValue=33.5, mType=2, mName=battery, mStatus=0}
 Temperature{mValue=38.1, mType=3, mName=skin-therm, mStatus=1}
HAL Ready: true
"""
ANDROID_14 = """\
IsStatusOverride: false
Thermal Status: 0
Cached temperatures:
	Temperature{mValue=30.0, mType=3, mName=VIRTUAL-SKIN, mStatus=0}
HAL Ready: true
HAL connection:
	Sdhms connected: yes
Current temperatures from HAL:
	Temperature{mValue=31.25, mType=3, mName=VIRTUAL-SKIN, mStatus=0}
	Temperature{mValue=NaN, mType=0, mName=asleep, mStatus=0}
	Temperature{mValue=-273.0, mType=0, mName=broken, mStatus=0}
Current cooling devices from HAL:
	CoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("text", "status", "celsius"),
    [
        (ANDROID_10, 1, {"battery": 33.5, "skin-therm": 38.1}),
        (ANDROID_14, 0, {"VIRTUAL-SKIN": 31.25}),
        ("Can't find service: thermalservice\n", None, {}),
        ("", None, {}),
    ],
)
def test_thermal(text: str, status: int | None, celsius: dict[str, float], end: str) -> None:
    found = thermal(text.replace("\n", end))
    assert (found.status, found.celsius) == (status, celsius)


BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  status: 2
  level: 87
  scale: 100
  temperature: 312
  technology: Li-ion
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_battery(end: str) -> None:
    found = battery(BATTERY.replace("\n", end))
    assert (found.percent, found.celsius, found.plugged) == (87, 31.2, "usb")
    found = battery(BATTERY.replace("true", "false").replace("312", "-15"))
    assert (found.celsius, found.plugged) == (-1.5, "unplugged")
    found = battery("Can't find service: battery\n")
    assert (found.percent, found.celsius, found.plugged) == (None, None, None)


@pytest.mark.parametrize(
    ("level", "scale", "percent"),
    [
        ("87", "100", 87),
        ("8500", "10000", 85),
        ("0", "10000", 0),
        ("255", "255", 100),
        ("1", "3", 33),
        ("87", None, 87),
        ("87", "0", None),
        ("-1", "100", None),
        ("101", "100", None),
        ("8500", None, None),
        ("87", "unknown", None),
        ("\u00b2", "100", None),
    ],
)
def test_the_level_of_a_battery_is_in_parts_of_its_scale(
    level: str, scale: str | None, percent: int | None
) -> None:
    scale_line = f"  scale: {scale}\n" if scale else ""
    text = BATTERY.replace("  scale: 100\n", scale_line).replace("level: 87", f"level: {level}")
    assert battery(text).percent == percent


def test_clusters_by_their_highest_clock() -> None:
    roots = [f"/sys/devices/system/cpu/cpu{core}/cpufreq" for core in range(10)]
    highest = [1700000] * 4 + [2370000] * 4 + [2910000] + [0]
    lines = [
        f"{root}/cpuinfo_max_freq:{khz}" for root, khz in zip(roots[:9], highest, strict=False)
    ]
    lines += [f"{root}/scaling_governor:sched_pixel\r" for root in roots[:9]]
    found = clusters("\n".join(lines) + "\n")
    assert [(each.cores, each.max_khz, each.governor) for each in found] == [
        ((8,), 2910000, "sched_pixel"),
        ((4, 5, 6, 7), 2370000, "sched_pixel"),
        ((0, 1, 2, 3), 1700000, "sched_pixel"),
    ]
    assert clusters("") == ()
    # The tenth core is cpu10 to nobody but a careless pattern.
    assert cpu_khz(
        "/sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq:5\n", "scaling_cur_freq"
    ) == {10: 5}


def test_memory_load_and_room() -> None:
    assert memory_bytes("MemTotal:        3738504 kB\r\nMemFree: 1 kB\r\n") == 3738504 * 1024
    assert memory_bytes("") is None
    assert load_average("1.25 0.9 0.7 2/1500 123\n") == 1.25
    assert load_average("cat: /proc/loadavg: Permission denied\n") is None
    assert load_average("") is None
    header = "Filesystem     1K-blocks     Used Available Use% Mounted on\n"
    assert free_bytes(header + "/dev/block/dm-5 53804920 9 1024 1% /data\n") == 1024 * 1024
    assert free_bytes(header + "/dev/a-very-long-name\n  100 60 40 60% /data\n") == 40 * 1024
    assert free_bytes("df: /data/x: No such file\n") is None


def test_the_path_of_a_package() -> None:
    base = "/data/app/~~x==/squeezebertmobile.app-y==/base.apk"
    split = base.replace("base", "split_config.de")
    assert package_path(f"package:{base}\r\npackage:{split}\r\n") == base
    assert package_path("") is None
    assert package_path("Error: java.lang.IllegalArgumentException: Unknown user 10\n") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Starting: Intent { cmp=a/.b }\nStatus: ok\nComplete\n", None),
        (
            "Starting: Intent { cmp=a/.b }\nWarning: Activity not started, its current task has "
            "been brought to the front\nStatus: ok\n",
            None,
        ),
        (
            "Starting: Intent { cmp=a/.b }\r\nError type 3\r\nError: Activity class {a/a.b} does "
            "not exist.\r\n",
            "Activity class {a/a.b} does not exist.",
        ),
        (
            "\nException occurred while executing 'start':\njava.lang.SecurityException: "
            "Permission Denial: starting Intent\n\tat android.os.Parcel.x(Parcel.java:1)\n",
            "java.lang.SecurityException: Permission Denial: starting Intent",
        ),
        ("Exception occurred while executing 'start':\n", "Exception occurred while executing "
         "'start'"),
        ("Error type 7\n", "Error type 7"),
    ],
)  # fmt: skip
def test_why_an_activity_was_not_started(text: str, why: str | None) -> None:
    assert start_refusal(text) == why
