"""What adb and Android's tools say, in the words of several versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.benchmarks.phone.adb.parsing import (
    ListedDevice,
    Thermal,
    battery,
    clusters,
    cores,
    cpu_khz,
    devices,
    free_bytes,
    load_average,
    memory_bytes,
    package_path,
    properties,
    sha256,
    start_refusal,
    thermal,
    whole_number,
)
from squeezebert_mobile.benchmarks.records.phone import Conditions

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
        ("9" * 5000, "100", None),
        ("87", "9" * 5000, None),
        ("\u00b2", "100", None),
    ],
)
def test_the_level_of_a_battery_is_in_parts_of_its_scale(
    level: str, scale: str | None, percent: int | None
) -> None:
    scale_line = f"  scale: {scale}\n" if scale else ""
    text = BATTERY.replace("  scale: 100\n", scale_line).replace("level: 87", f"level: {level}")
    assert battery(text).percent == percent


@pytest.mark.parametrize(
    ("tenths", "celsius"),
    [("-", None), ("\u00b2", None), ("nan", None), ("inf", None), ("9" * 400, None),
     ("1.2.3", None), ("-2732", None), ("0", 0.0), ("312", 31.2)],
)  # fmt: skip
def test_the_temperature_of_a_battery(tenths: str, celsius: float | None) -> None:
    assert battery(BATTERY.replace("temperature: 312", f"temperature: {tenths}")).celsius == celsius


@pytest.mark.parametrize(
    "value", ["-", "\u00b2", "1.2.3", "--1", "E", "N", "nan", "inf", "9" * 5000, "1e999", ""]
)
def test_what_is_no_number_is_unknown(value: str) -> None:
    assert whole_number(value) is None
    root = "/sys/devices/system/cpu/cpu"
    assert thermal(
        f"Thermal Status: {value}\nCached temperatures:\n"
        f"\tTemperature{{mValue={value}, mType=3, mName=skin, mStatus=0}}\n"
        "\tTemperature{mValue=31.5, mType=0, mName=CPU, mStatus=0}\n"
    ) == Thermal(None, {"CPU": 31.5})
    text = f"{root}0/cpufreq/f:{value}\n{root}1/cpufreq/f:5\n{root}{value}/cpufreq/f:6\n"
    assert cpu_khz(text, "f") == {1: 5}
    assert memory_bytes(f"MemTotal:  {value} kB\n") is None
    assert load_average(f"{value or '-'} 1 1\n") is None
    assert free_bytes(f"Filesystem\n/dev/x {value} {value} {value} 1% /data\n") is None


def test_cores_that_report_no_clock() -> None:
    root = "/sys/devices/system/cpu/cpu"
    lines = [f"{root}{core}/cpufreq/cpuinfo_max_freq:{khz}"
             for core, khz in enumerate([0, 2000, 0, 3000, "<unknown>"])]  # fmt: skip
    found = [(each.cores, each.max_khz) for each in clusters("\n".join(lines))]
    assert found == [((3,), 3000), ((1,), 2000), ((0, 2), None)]


_OUTPUTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["/sys/devices/system/cpu/cpu", "0", "7", "/cpufreq/cpuinfo_max_freq:", "-", "\u00b2",
         "9" * 30,
         "Thermal Status: ", "Cached temperatures:\n", "Temperature{mValue=", ", mName=a", "}\n",
         "\n  level: ", "\n  scale: ", "\n  temperature: ", "MemTotal: ", " kB", "nan ", "[a]: [",
         "]\n", "\r\n", "\x00", "\ud7ff"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@given(_OUTPUTS)
def test_any_output_is_read(text: str) -> None:
    """What is read can be recorded: no number is infinite, none is too large."""
    heat, power = thermal(text), battery(text)
    conditions = Conditions(
        at_s=0,
        thermal_status=heat.status,
        celsius=heat.celsius,
        battery_percent=power.percent,
        battery_celsius=power.celsius,
        plugged=power.plugged,
        cpu_khz=cpu_khz(text, "cpuinfo_max_freq"),
        load_average=load_average(text),
    )
    assert Conditions.model_validate_json(conditions.model_dump_json()) == conditions
    for cluster in clusters(text):
        assert type(cluster).model_validate_json(cluster.model_dump_json()) == cluster
    for number in (memory_bytes(text), free_bytes(text)):
        assert number is None or number >= 0
    for parse in (properties, devices, package_path, start_refusal, sha256):
        parse(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{'a' * 64}  /data/x\n", "a" * 64),
        (f"\\{'a' * 64}  /data/x\\n\n", "a" * 64),
        ("/system/bin/sh: sha256sum: inaccessible or not found\n", None),
        (f"{'a' * 63}  /data/x\n", None),
        ("", None),
    ],
)
def test_sha256(text: str, found: str | None) -> None:
    assert sha256(text) == found


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


# Cores --------------------------------------------------------------------------------------


def _core(number: int, part: str, features: str, implementer: str = "0x41") -> str:
    return (
        f"processor\t: {number}\nBogoMIPS\t: 49.15\nFeatures\t: {features}\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU variant\t: 0x0\n"
        f"CPU part\t: {part}\nCPU revision\t: 1\n"
    )


PIXEL = "\n".join(
    [
        _core(0, "0xd46", "fp asimd asimddp i8mm bf16 sve sve2"),
        _core(1, "0xd4d", "fp asimd asimddp i8mm bf16 sve sve2"),
        _core(2, "0xd4d", "fp asimd asimddp i8mm sve sve2"),
        _core(3, "0xd4e", "fp asimd asimddp i8mm bf16 sve sve2"),
    ]
)
_DESIGNS = {"Cortex-A510": 1, "Cortex-A715": 2, "Cortex-X3": 1}
_COMMON = ("asimddp", "i8mm", "sve", "sve2")  # bf16 is not one of core 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PIXEL, (_DESIGNS, _COMMON)),
        (PIXEL.replace("\n", "\r\n") + "\r\n\r\nHardware\t: SHIBA\r\n", (_DESIGNS, _COMMON)),
        (_core(0, "0x001", "asimddp i8mm", "0x51"), ({"Oryon": 1}, ("asimddp", "i8mm"))),
        (_core(0, "0xABC", "fp", "0x48"), ({"implementer 0x48 part 0xabc": 1}, ())),
        (_core(0, "d05", "asimddp"), ({"Cortex-A55": 1}, ("asimddp",))),
        (_core(0, "new", "sme sme2 x\x1b[31m"), ({}, ("sme", "sme2"))),
        ("processor : 0\nmodel name : x86\nflags : avx2 asimddp\n", ({}, ())),
        ("cat: /proc/cpuinfo: Permission denied", ({}, ())),
        ("", ({}, ())),
    ],
)
def test_the_cores_of_a_phone(text, found):
    assert cores(text) == found
