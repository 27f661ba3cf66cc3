"""Packs the runner's jar, with a checksum of its sources.

    python android_demo/pack_runner.py           write benchmarks/phone/runner.jar
    python android_demo/pack_runner.py --check   check that the jar is up to date

The jar contains the dex built by Maven, the Unicode tables, and the SHA-256 of the sources. It is
reproducible byte for byte: its entries are not compressed and have a fixed date.
"""

import hashlib
import io
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
JAR = HERE.parent / "benchmarks" / "phone" / "runner.jar"
DEX = HERE / "runner" / "target" / "r8" / "dex" / "classes.dex"
TABLES = HERE / "core" / "src" / "main" / "resources" / "squeezebertmobile" / "unicode.txt"

#: The files that determine the jar's contents.
MODULES = ("executorch-stub", "litert-stub", "core", "runner")
SOURCES = (
    *("pom.xml", "pack_runner.py"),
    *(
        f"{module}/{pattern}"
        for module in MODULES
        for pattern in ("pom.xml", "*.pro", "src/main/**/*")
    ),
)
SUM_ENTRY = "sources.sha256"
MAX_BYTES = 460_000

_NO_DATE = (1980, 1, 1, 0, 0, 0)


def sources_sha256() -> str:
    """Checksum over the names and contents of all sources, independent of line endings."""
    digest = hashlib.sha256()
    paths = {path for pattern in SOURCES for path in HERE.glob(pattern) if path.is_file()}
    for path in sorted(paths, key=lambda path: path.relative_to(HERE).as_posix()):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(HERE).as_posix()}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def pack() -> bytes:
    """The contents of the jar, from the files built by Maven."""
    entries = {
        "classes.dex": DEX.read_bytes(),
        "squeezebertmobile/unicode.txt": TABLES.read_bytes(),
        SUM_ENTRY: f"{sources_sha256()}\n".encode(),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as jar:
        for name, content in entries.items():
            jar.writestr(zipfile.ZipInfo(name, _NO_DATE), content)
    return out.getvalue()


def main(arguments: list[str]) -> str | None:
    """Write or check the jar. Returns an error message, or None."""
    jar = pack()
    if len(jar) > MAX_BYTES:
        return f"error: the runner has {len(jar)} bytes; the limit is {MAX_BYTES}"
    if "--check" in arguments:
        if JAR.read_bytes() != jar:
            return f"error: {JAR.name} does not match its sources; run: make runner"
        return None
    JAR.parent.mkdir(exist_ok=True)
    JAR.write_bytes(jar)
    print(f"{JAR.relative_to(HERE.parent)}: {len(jar):,} bytes")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
