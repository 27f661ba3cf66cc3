"""What Android tells about energy, in the formats of AOSP's sources; not recorded on a phone."""

import pytest

from squeezebert_mobile.benchmarks.phone.adb.meter_parsing import (
    battery_charge,
    device_state,
    iio_rails,
    is_battery_faked,
    power_stats_rails,
    supply_charge,
)

# Printed by PowerStatsAidl.cpp: "%32s   %14.2f mWs", after two other sections.
POWER_STATS = """
============= PowerStats HAL 2.0 state residencies ==============
            Entity                State         Total time     Total entries   Last entry tstamp
               UFS                 HIBERN8          123456 ms               7           12345 ms
========== End of PowerStats HAL 2.0 state residencies ==========

============= PowerStats HAL 2.0 energy consumers ==============
CPUCL0       :      123456.78 mWs
       10123 -         123.45 mWs
========== End of PowerStats HAL 2.0 energy consumers ==========

============= PowerStats HAL 2.0 energy meter ==============
                           Channel    Cumulative Energy
              [S2M_VDD_CPUCL2]:CPU          7613.30 mWs
        [VSYS_PWR_DISPLAY]:Display       1039108.42 mWs
           [L2S_VDD_AOC RET]:A O C             0.00 mWs
========== End of PowerStats HAL 2.0 energy meter ==========
"""
# With the argument delta, as AndroidX's benchmarks read it; and the names of the first version.
DELTA = """
============= PowerStats HAL 2.0 energy meter ==============
Elapsed time: 1000 ms
                           Channel    Cumulative Energy (      Delta   )
              [S2M_VDD_CPUCL2]:CPU          7613.30 mWs (        12.50)
========== End of PowerStats HAL 2.0 energy meter ==========
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_power_stats(end: str) -> None:
    found = power_stats_rails(POWER_STATS.replace("\n", end))
    assert found is not None
    assert found.millijoules == {
        "[S2M_VDD_CPUCL2]:CPU": 7613.30,
        "[VSYS_PWR_DISPLAY]:Display": 1039108.42,
        "[L2S_VDD_AOC RET]:A O C": 0.0,
    }
    # 1,039,108,420 µWs lie between two floats that are 64 µWs apart; the others have two decimals.
    assert found.step_mj == pytest.approx(0.01 + 0.064 + 0.01)


def test_power_stats_with_delta() -> None:
    found = power_stats_rails(DELTA)
    assert found is not None and found.millijoules == {"[S2M_VDD_CPUCL2]:CPU": 7613.30}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Can't find service: android.hardware.power.stats.IPowerStats/default\n",
        POWER_STATS.partition("\n============= PowerStats HAL 2.0 energy meter")[0],
        POWER_STATS.replace(" mWs", " mW"),
        POWER_STATS.replace("7613.30", "nan").replace("1039108.42", "-1.00").replace("0.00", "x"),
    ],
)
def test_no_power_stats(text: str) -> None:
    assert power_stats_rails(text) is None


def test_iio() -> None:
    """The examples of IioEnergyMeterDataProvider.cpp, of two devices."""
    found = iio_rails(
        "CH3[S2M_VDD_CPUCL2]:CPU\nCH2[VSYS_PWR_RFFE]:Cellular\n"
        "t=358356\nCH3(T=358356)[S2M_VDD_CPUCL2], 761330\nCH2(T=358356)[VSYS_PWR_RFFE], 5000\n"
        "CH0[VSYS_PWR_DISPLAY]:Display\nt=358357\nCH0(T=358357)[VSYS_PWR_DISPLAY], 81221665\n"
        "CH9(T=358357)[UNKNOWN], 7\nCH8(T=358357)[BAD], -1\ncat: x: Permission denied\n"
    )
    assert found is not None
    assert found.millijoules == {
        "[S2M_VDD_CPUCL2]:CPU": pytest.approx(761.330),
        "[VSYS_PWR_RFFE]:Cellular": 5.0,
        "[VSYS_PWR_DISPLAY]:Display": pytest.approx(81221.665),
        "[UNKNOWN]": 0.007,
    }
    assert found.step_mj == pytest.approx(0.004)
    assert iio_rails("") is None and iio_rails("CH3[S2M_VDD_CPUCL2]:CPU\n") is None


def test_power_supply() -> None:
    folder = "/sys/class/power_supply"
    found = supply_charge(
        f"{folder}/bms/charge_counter:2400000\n{folder}/usb/voltage_now:5000000\n"
        f"{folder}/battery/charge_counter:2411000\r\n{folder}/battery/voltage_now:4163000\n"
    )
    assert found is not None and (found.uah, found.millivolts) == (2411000, 4163.0)


@pytest.mark.parametrize(
    "charge,voltage", [("0", "4163000"), ("-5", "4163000"), ("2411", "4163"), ("x", "y"), ("", "")]
)
def test_no_power_supply(charge: str, voltage: str) -> None:
    folder = "/sys/class/power_supply/battery"
    assert (
        supply_charge(f"{folder}/charge_counter:{charge}\n{folder}/voltage_now:{voltage}") is None
    )


BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: false
  Wireless powered: false
  Dock powered: false
  Max charging current: 0
  Max charging voltage: 0
  Charge counter: 2411000
  status: 3
  level: 83
  scale: 100
  voltage: 4163
  temperature: 284
  technology: Li-ion
"""


def test_battery_service() -> None:
    found = battery_charge(BATTERY)
    assert found is not None and (found.uah, found.millivolts) == (2411000, 4163.0)
    assert battery_charge(BATTERY.replace("2411000", "0")) is None  # a phone that has no counter
    assert battery_charge(BATTERY.replace("4163", "4")) is None  # an old one that tells volts
    assert battery_charge("") is None
    assert not is_battery_faked(BATTERY)
    faked = BATTERY.replace("  AC", "  (UPDATES STOPPED -- use 'reset' to restart)\n  AC", 1)
    assert is_battery_faked(faked) and battery_charge(faked) == found


def test_screen_and_radios() -> None:
    power = "Power Manager State:\n  mDirty=0x0\r\n  mWakefulness=Dozing\r\n  mIsPowered=false\n"
    found = device_state(
        power,
        "airplane_mode_on=1\r\nwifi_on=2\nbluetooth_on=0\nmobile_data=null\nscreen_brightness=12\n",
    )
    assert found.wakefulness == "Dozing" and found.brightness == 12
    assert (found.airplane_mode, found.wifi, found.bluetooth) == (True, True, False)
    assert found.mobile_data is None
    nothing = device_state("Can't find service: power", "sh: settings: not found\nwifi_on=3")
    assert nothing.wakefulness is None and nothing.brightness is None and nothing.wifi is False
