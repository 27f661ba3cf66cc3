"""The commands `devices`, `doctor`, `clean` and `push`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from squeezebert_mobile.cli.options import (
    AdbServer,
    AllDevices,
    Artifact,
    Debug,
    Json,
    Serials,
    reject_phone_options,
)
from squeezebert_mobile.streams import Console, print_json, print_line

__all__ = ["clean", "devices", "doctor", "push"]


def devices(adb_server: AdbServer = None, as_json: Json = False, debug: Debug = False) -> None:
    """List connected devices and what each needs to run bench."""
    from squeezebert_mobile.benchmarks.phone.adb.client import Adb
    from squeezebert_mobile.benchmarks.phone.doctor import list_devices
    from squeezebert_mobile.cli.printing.phones import print_devices

    seen = list_devices(Adb(adb_server))
    if as_json:
        print_json(json.dumps([asdict(device) for device in seen], indent=1))
    else:
        print_devices(seen, Console())


def doctor(adb_server: AdbServer = None, as_json: Json = False, debug: Debug = False) -> None:
    """Check the setup for benchmarks on phones.

    It covers Python packages, adb, native libraries and connected phones.
    """
    from squeezebert_mobile.benchmarks.phone.doctor import check_all
    from squeezebert_mobile.cli.printing.phones import print_checks

    checks = check_all(adb_server)
    if as_json:
        print_json(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        print_checks(checks, Console())
    if any(check.found is None and check.needed for check in checks):
        raise typer.Exit(1)


def clean(
    serial: Serials = None,
    all_devices: AllDevices = False,
    adb_server: AdbServer = None,
    debug: Debug = False,
) -> None:
    """Remove the files that bench has pushed to a phone.

    No other files are touched.
    """
    from squeezebert_mobile.benchmarks.phone.adb.files import HOME
    from squeezebert_mobile.benchmarks.phone.commands import clean_phones

    for name, size in clean_phones(adb_server, serial or (), all_devices=all_devices):
        print_line(f"{name}: {HOME} removed, {size / 1e6:.1f} MB")


def push(
    artifact: Artifact,
    zip_file: Annotated[
        Path | None,
        typer.Option(
            "--zip",
            metavar="FILE.zip",
            help="Write a zip file for the app instead; needs no phone.",
        ),
    ] = None,
    serial: Serials = None,
    all_devices: AllDevices = False,
    adb_server: AdbServer = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --zip: overwrite an existing file.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Copy an artifact into the sample app on a phone.

    A debug build of the app must be installed. In the app the artifact has the name of its folder,
    or of the zip file.
    """
    from squeezebert_mobile.benchmarks.phone.commands import push_to_phones, zip_up
    from squeezebert_mobile.cli.printing.progress import print_note

    if zip_file:
        reject_phone_options(
            {"serial": serial, "all_devices": all_devices, "adb_server": adb_server},
            remedy="remove --zip",
        )
        pushed = [zip_up(artifact, zip_file, force=force)]
    else:
        pushed = push_to_phones(
            artifact, adb_server, serial or (), all_devices=all_devices, note=print_note
        )
    if as_json:
        print_json(json.dumps([asdict(copy) for copy in pushed], indent=1))
        return
    for copy in pushed:
        where = f"written to {copy.to}" if zip_file else f"copied into the app on {copy.to}"
        print_line(f"{copy.name}: {where}, {copy.bytes / 1e6:.1f} MB")
