"""The command output of four phones.

It was not recorded on phones: the formats follow Android's tools in each version, and the figures
are the manufacturers', or made up. Recorded output of such a phone may replace it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Every stand-in has this property; no phone has it.
STAND_IN = "ro.squeezebertmobile.stand_in"

_CPUS = "sys/devices/system/cpu"


@dataclass(frozen=True)
class Cores:
    """Cores of one kind."""

    count: int
    max_khz: int
    now_khz: int
    governor: str


@dataclass(frozen=True)
class Sensor:
    """A line of the thermal service: type 0 CPU, 1 GPU, 2 battery, 3 skin."""

    name: str
    kind: int
    celsius: float
    zone: str  # its name in /sys/class/thermal


@dataclass(frozen=True)
class PhoneData:
    """The facts about a phone that commands report."""

    properties: Mapping[str, str]
    cores: tuple[Cores, ...]
    sensors: tuple[Sensor, ...]
    memory_kb: int
    battery: Mapping[str, str] = field(default_factory=dict)
    line_end: str = "\n"
    parts: tuple[int, ...] = ()  # ARM's number of each core's design
    features: str = ""  # in /proc/cpuinfo
    throttles: tuple[int, int] | None = None  # after how many readings, for how many readings

    @property
    def sdk(self) -> int:
        return int(self.properties["ro.build.version.sdk"])


_ABIS = {
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
}

_PIXEL_2 = PhoneData(
    properties={
        "ro.product.manufacturer": "Google",
        "ro.product.model": "Pixel 2",
        "ro.product.name": "walleye",
        "ro.product.device": "walleye",
        "ro.serialno": "HT7000000001",
        "ro.board.platform": "msm8998",
        "ro.hardware": "walleye",
        "ro.build.version.release": "10",
        "ro.build.version.sdk": "29",
        "ro.build.version.security_patch": "2020-10-05",
        "ro.build.fingerprint": "google/walleye/walleye:"
        "10/QP1A.191005.007.A3/5972272:user/release-keys",
        **_ABIS,
    },
    cores=(Cores(4, 1900800, 1132800, "schedutil"), Cores(4, 2457600, 1056000, "schedutil")),
    sensors=(
        Sensor("CPU0", 0, 36.0, "tsens_tz_sensor1"),
        Sensor("GPU", 1, 35.0, "tsens_tz_sensor10"),
        Sensor("battery", 2, 27.7, "battery"),
        Sensor("skin", 3, 30.9, "quiet-therm-adc"),
    ),
    memory_kb=3_854_572,
    line_end="\r\n",
)

_PIXEL_3 = PhoneData(
    properties={
        "ro.product.manufacturer": "Google",
        "ro.product.model": "Pixel 3",
        "ro.product.name": "blueline",
        "ro.product.device": "blueline",
        "ro.serialno": "8A2X00001",
        "ro.soc.model": "SDM845",
        "ro.soc.manufacturer": "Qualcomm",
        "ro.board.platform": "sdm845",
        "ro.hardware": "blueline",
        "ro.build.version.release": "12",
        "ro.build.version.sdk": "31",
        "ro.build.version.security_patch": "2021-10-05",
        "ro.build.fingerprint": "google/blueline/blueline:"
        "12/SP1A.210812.016.A1/7841288:user/release-keys",
        **_ABIS,
    },
    cores=(Cores(4, 1766400, 1228800, "schedutil"), Cores(4, 2803200, 825600, "schedutil")),
    sensors=(
        Sensor("cpu0-silver-usr", 0, 35.1, "cpu0-silver-usr"),
        Sensor("cpu0-gold-usr", 0, 35.8, "cpu0-gold-usr"),
        Sensor("gpu0-usr", 1, 34.2, "gpu0-usr"),
        Sensor("battery", 2, 27.9, "battery"),
        Sensor("fps-therm-monitor", 3, 29.6, "fps-therm-adc"),
        Sensor("quiet-therm-skin", 3, 30.2, "quiet-therm-adc"),
    ),
    memory_kb=3_669_732,
)

_PIXEL_8 = PhoneData(
    properties={
        "ro.product.manufacturer": "Google",
        "ro.product.model": "Pixel 8",
        "ro.product.name": "shiba",
        "ro.product.device": "shiba",
        "ro.serialno": "37000000000001",
        "ro.soc.model": "Tensor G3",
        "ro.soc.manufacturer": "Google",
        "ro.board.platform": "zuma",
        "ro.hardware": "shiba",
        "ro.build.version.release": "14",
        "ro.build.version.sdk": "34",
        "ro.build.version.security_patch": "2024-05-05",
        "ro.build.fingerprint": "google/shiba/shiba:14/AP1A.240505.004/11583682:user/release-keys",
        "ro.product.cpu.abi": "arm64-v8a",
        "ro.product.cpu.abilist": "arm64-v8a",
    },
    cores=(
        Cores(4, 1704000, 1098000, "sched_pixel"),
        Cores(4, 2367000, 1221000, "sched_pixel"),
        Cores(1, 2914000, 500000, "sched_pixel"),
    ),
    sensors=(
        Sensor("BIG", 0, 38.0, "BIG"),
        Sensor("MID", 0, 37.0, "MID"),
        Sensor("LITTLE", 0, 36.0, "LITTLE"),
        Sensor("G3D", 1, 35.0, "G3D"),
        Sensor("battery", 2, 28.4, "battery"),
        Sensor("VIRTUAL-SKIN", 3, 31.25, "skin_therm1"),
        Sensor("neutral_therm", -1, 31.0, "neutral_therm"),
    ),
    memory_kb=7_707_232,
    parts=(0xD46,) * 4 + (0xD4D,) * 4 + (0xD4E,),
    features="fp asimd fphp asimdhp asimddp i8mm bf16 sve sve2",
)

PHONES: dict[str, PhoneData] = {
    "pixel 2": _PIXEL_2,  # the oldest: Android 10, lines with CRLF, no ro.soc.model
    "pixel 3": _PIXEL_3,
    "pixel 8": _PIXEL_8,
    "throttles": PhoneData(**{**vars(_PIXEL_8), "throttles": (4, 2)}),
}


def write(root: Path, data: PhoneData) -> None:
    """Write the output into files, which a test may edit while the stand-in runs."""
    told = root / "stand_in"
    files = {
        told / "getprop": properties_text(data.properties),
        told / "battery": _battery(data),
        told / "power": "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n"
        "  mDirty=0x0\n  mWakefulness=Awake\n  mWakefulnessChanging=false\n",
        told / "settings": "airplane_mode_on=1\nwifi_on=2\nbluetooth_on=0\nscreen_brightness=12\n",
        told / "thermalservice": thermal_text(data, 0),
        root / "proc/meminfo": _memory(data.memory_kb),
        root / "proc/cpuinfo": _cpuinfo(data.parts, data.features),
        root / "proc/loadavg": "1.42 1.17 0.98 2/1874 20518\n",
    }
    if data.throttles:
        files[told / "thermalservice.hot"] = thermal_text(data, 3, warmer=14.5)
        files[told / "throttle"] = "{} {}\n".format(*data.throttles)
    files.update(_core_files(root / _CPUS, data.cores))
    for index, sensor in enumerate(data.sensors):
        zone = root / f"sys/class/thermal/thermal_zone{index}"
        files[zone / "type"] = f"{sensor.zone}\n"
        files[zone / "temp"] = f"{sensor.celsius * 1000:.0f}\n"
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Files of the kernel never have CRLF.
        end = data.line_end if path.parent == told and path.name != "throttle" else "\n"
        path.write_text(text, encoding="utf-8", newline=end)


def _cpuinfo(parts: Sequence[int], features: str) -> str:
    return "\n".join(
        f"processor\t: {number}\nFeatures\t: {features}\nCPU implementer\t: 0x41\n"
        f"CPU part\t: {part:#x}\n"
        for number, part in enumerate(parts)
    )


def properties_text(properties: Mapping[str, str]) -> str:
    return "".join(f"[{name}]: [{value}]\n" for name, value in sorted(properties.items()))


# The formats --------------------------------------------------------------------------------


def thermal_text(data: PhoneData, status: int, *, warmer: float = 0.0) -> str:
    """`dumpsys thermalservice`: Android 10 reports less than later versions, 14 also headroom."""

    def lines(add: float) -> str:
        return "".join(
            f"\tTemperature{{mValue={each.celsius + add:g}, mType={each.kind}, "
            f"mName={each.name}, mStatus={status if each.kind == 3 else 0}}}\n"
            for each in data.sensors
        )

    text = f"IsStatusOverride: false\nThermalEventListeners:\n\tcallbacks: 2\n\tkilled: false\n\
\tbroadcasts count: -1\nThermalStatusListeners:\n\tcallbacks: 1\n\tkilled: false\n\
\tbroadcasts count: -1\nThermal Status: {status}\n"
    text += f"Cached temperatures:\n{lines(warmer - 0.5)}"
    hal = "2.0" if data.sdk < 33 else "AIDL"
    text += f"HAL Ready: true\nHAL connection:\n\tThermalHAL {hal} connected: yes\n"
    text += f"Current temperatures from HAL:\n{lines(warmer)}"
    cooling = "thermal-cpufreq-0" if data.sdk >= 31 else "CPU0"
    text += f"Current cooling devices from HAL:\n\tCoolingDevice{{mValue=0, mType=2, \
mName={cooling}}}\n"
    if data.sdk >= 31:
        text += "Temperature static thresholds from HAL:\n"
        for each in data.sensors:
            if each.kind == 3:
                text += f"\tTemperatureThreshold{{mType=3, mName={each.name}, \
mHotThrottlingThresholds=[NaN, 39.0, 41.0, 43.0, 45.0, 47.0, 55.0], \
mColdThrottlingThresholds=[NaN, NaN, NaN, NaN, NaN, NaN, NaN]}}\n"
    if data.sdk >= 34:
        text += "Temperature headroom thresholds:\n\t[NaN, 0.6, 0.8, 1.0, NaN, NaN, NaN]\n"
    return text


def _battery(data: PhoneData) -> str:
    tenths = next(round(each.celsius * 10) for each in data.sensors if each.kind == 2)
    fields = {
        "AC powered": "false",
        "USB powered": "true",
        "Wireless powered": "false",
        **({"Dock powered": "false"} if data.sdk >= 33 else {}),
        "Max charging current": "500000",
        "Max charging voltage": "5000000",
        "Charge counter": "2411000",
        "status": "2",
        "health": "2",
        "present": "true",
        "level": "83",
        "scale": "100",
        "voltage": "4163",
        "temperature": str(tenths),
        "technology": "Li-ion",
        **data.battery,
    }
    lines = "".join(f"  {name}: {value}\n" for name, value in fields.items())
    return f"Current Battery Service state:\n{lines}"


def _core_files(folder: Path, clusters: tuple[Cores, ...]) -> dict[Path, str]:
    files = {}
    core = 0
    for cores in clusters:
        for _ in range(cores.count):
            place = folder / f"cpu{core}/cpufreq"
            files[place / "cpuinfo_max_freq"] = f"{cores.max_khz}\n"
            files[place / "scaling_cur_freq"] = f"{cores.now_khz}\n"
            files[place / "scaling_governor"] = f"{cores.governor}\n"
            core += 1
    for name in ("possible", "present", "online"):
        files[folder / name] = f"0-{core - 1}\n"
    return files


def _memory(kilobytes: int) -> str:
    fields = {"MemTotal": 1.0, "MemFree": 0.06, "MemAvailable": 0.47, "Cached": 0.38}
    swap = kilobytes // 2
    lines = [f"{name}:".ljust(16) + f"{kilobytes * part:8.0f} kB" for name, part in fields.items()]
    lines += [f"{'SwapTotal:':16}{swap:8} kB", f"{'SwapFree:':16}{swap * 3 // 4:8} kB"]
    return "\n".join(lines) + "\n"
