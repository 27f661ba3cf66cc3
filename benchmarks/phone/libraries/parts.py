"""The published files that the runner needs on a phone, by artifact format."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.errors import choose

__all__ = [
    "ABIS",
    "EXECUTORCH",
    "EXECUTORCH_VERSION",
    "FBJNI",
    "KOTLIN",
    "KOTLIN_VERSION",
    "LITERT",
    "LITERT_VERSION",
    "NATIVELOADER",
    "ONNX_RUNTIME",
    "ONNX_RUNTIME_VERSION",
    "PARTS",
    "R8",
    "R8_VERSION",
    "REQUIRED_PARTS",
    "RUNTIMES",
    "Part",
    "check_abi",
    "check_formats",
]

#: The version of the Java classes in runner.jar, which call the native library by its symbols.
ONNX_RUNTIME_VERSION = "1.29.0"
#: The version of the Python package that exports (constraints.txt).
EXECUTORCH_VERSION = "1.5.1"
LITERT_VERSION = "2.3.0"
#: The version of the Kotlin library of which runner.jar has a part.
KOTLIN_VERSION = "2.4.21"
R8_VERSION = "9.5.28"
ABIS = ("arm64-v8a", "x86_64")


@dataclass(frozen=True)
class Part:
    """A file published in a Maven repository."""

    group: str
    name: str
    version: str
    kind: Literal["aar", "jar"]
    marker: str  # the library or class by which a given file is recognized
    libraries: tuple[str, ...] = ()  # native libraries that it must contain
    repository: str | None = None  # address of its Maven repository; None: Maven Central

    @property
    def coordinates(self) -> str:
        """Maven's name of the file: group:name:version."""
        return f"{self.group}:{self.name}:{self.version}"

    @property
    def file(self) -> str:
        """The file's name, as Maven saves it."""
        return f"{self.name}-{self.version}.{self.kind}"

    @property
    def option(self) -> str:
        """The command-line option that passes this file."""
        return f"--android-runtime FILE.{self.kind}"


ONNX_RUNTIME = Part(
    "com.microsoft.onnxruntime",
    "onnxruntime-android",
    ONNX_RUNTIME_VERSION,
    "aar",
    "libonnxruntime.so",
    ("libonnxruntime.so", "libonnxruntime4j_jni.so"),
)
EXECUTORCH = Part(
    "org.pytorch",
    "executorch-android",
    EXECUTORCH_VERSION,
    "aar",
    "libexecutorch.so",
    ("libexecutorch.so",),
)
# The next two versions are those that executorch-android depends on
# (pytorch/executorch, extension/android/executorch_android/build.gradle).
FBJNI = Part("com.facebook.fbjni", "fbjni", "0.7.0", "aar", "libfbjni.so", ("libfbjni.so",))
NATIVELOADER = Part(
    "com.facebook.soloader",
    "nativeloader",
    "0.10.5",
    "jar",
    "com/facebook/soloader/nativeloader/NativeLoader.class",
)
LITERT = Part(
    "com.google.ai.edge.litert",
    "litert",
    LITERT_VERSION,
    "aar",
    "liblitert_jni.so",
    ("libLiteRt.so", "liblitert_jni.so"),
    repository="https://dl.google.com/dl/android/maven2/",  # `google()` of Android's build tools
)
KOTLIN = Part("org.jetbrains.kotlin", "kotlin-stdlib", KOTLIN_VERSION, "jar", "kotlin/Unit.class")
R8 = Part("com.android.tools", "r8", R8_VERSION, "jar", "com/android/tools/r8/D8.class")

#: The files that a user passes for a format.
RUNTIMES = (ONNX_RUNTIME, EXECUTORCH, LITERT)
#: All parts. A file with the markers of two is the first: ExecuTorch's AAR may contain its own
#: libfbjni.so.
PARTS = (ONNX_RUNTIME, EXECUTORCH, LITERT, FBJNI, NATIVELOADER, KOTLIN, R8)
#: Format -> what a phone needs to run it. Formats that are missing here do not run on phones.
REQUIRED_PARTS = {
    "onnx": (ONNX_RUNTIME,),
    "executorch": (EXECUTORCH, FBJNI, NATIVELOADER, R8),
    "litert": (LITERT, KOTLIN, R8),
}


def check_abi(abi: str) -> None:
    """Check that phones with this ABI are supported.

    Raises:
        PhoneError: they are not.
    """
    if abi in ABIS:
        return
    if abi.startswith("armeabi"):
        raise PhoneError(
            f"the phone's ABI is {abi}, 32-bit ARM, where int8 is up to four times slower "
            "(ONNX Runtime's issue 16426: 1925 ms instead of 491); use a phone with 64-bit "
            f"Android: {' or '.join(ABIS)}"
        )
    if abi == "unknown":
        raise PhoneError(
            "the phone does not report its ABI (ro.product.cpu.abi); restart it, then run again"
        )
    raise PhoneError(
        f"the phone's ABI {abi!r} is not supported; use a phone with {' or '.join(ABIS)}"
    )


def check_formats(formats: Iterable[str]) -> set[str]:
    """Check that phones run these formats; returns each once.

    Raises:
        PhoneError: a format does not run on phones.
    """
    unique = set(formats)
    if "torchscript" in unique:
        raise PhoneError(
            "TorchScript artifacts cannot be measured on phones: PyTorch Mobile, which ran them "
            "there, is no longer supported; export with --format onnx, executorch or litert"
        )
    for format in sorted(unique - REQUIRED_PARTS.keys()):
        raise PhoneError(choose("format", format, REQUIRED_PARTS))
    return unique
