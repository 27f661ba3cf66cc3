"""AARs, jars and programs for the tests of the phone's libraries."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.libraries.lookup import Libraries, find_libraries

__all__ = [
    "ARM",
    "EXECUTORCH",
    "FBJNI",
    "KOTLIN",
    "LITERT",
    "NATIVELOADER",
    "ONNX",
    "ONNX_LIBRARIES",
    "R8",
    "aar",
    "contents",
    "refusal",
    "script",
    "sha256",
    "zipped",
]

ARM = "arm64-v8a"
ONNX = "com.microsoft.onnxruntime:onnxruntime-android:1.29.0"
EXECUTORCH = "org.pytorch:executorch-android:1.5.1"
FBJNI = "com.facebook.fbjni:fbjni:0.7.0"
LITERT = "com.google.ai.edge.litert:litert:2.3.0"
KOTLIN = "org.jetbrains.kotlin:kotlin-stdlib:2.4.21"
NATIVELOADER = "com.facebook.soloader:nativeloader:0.10.5"
R8 = "com.android.tools:r8:9.5.28"
ONNX_LIBRARIES = {
    "libonnxruntime.so": b"ELF \0VERS_1.29.0\0",
    "libonnxruntime4j_jni.so": b"ELF of Java's",
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def aar(path: Path, contents: dict[str, bytes], *abis: str, **other: bytes) -> Path:
    members = {f"jni/{abi}/{name}": content for abi in abis for name, content in contents.items()}
    return zipped(path, {"AndroidManifest.xml": b"<manifest/>", **members, **other})


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def contents(found: Libraries) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in found.files.items()}


def refusal(*arguments: object) -> str:
    with pytest.raises(PhoneError) as caught:
        find_libraries(*arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)
