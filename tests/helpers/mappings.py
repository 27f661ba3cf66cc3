"""The files that are mapped into this process (Linux)."""

from pathlib import Path


def resident_kib(path: Path) -> list[int]:
    """Of each mapping of a file in this process."""
    found, is_of_file = list[int](), False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line.split()[0].count("-"):
            is_of_file = line.endswith(f" {path}")
        elif is_of_file and line.startswith("Rss:"):
            found.append(int(line.split()[1]))
    return found
