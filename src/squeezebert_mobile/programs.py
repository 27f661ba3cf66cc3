"""Programs of others that some commands need, and how each system installs them."""

import sys
from dataclasses import dataclass

__all__ = ["ADB", "JAVA", "MAVEN", "Installation"]


@dataclass(frozen=True)
class Installation:
    """How a program is installed."""

    page: str  # to download it from, on any other system
    commands: dict[str, str]  # by sys.platform

    @property
    def command(self) -> str | None:
        """The command of this system, or None if its package manager has no such package."""
        return self.commands.get(sys.platform)

    @property
    def remedy(self) -> str:
        """What to do, for an error message."""
        return f"run: {self.command}" if self.command else f"install it from {self.page}"


ADB = Installation(
    "https://developer.android.com/tools/releases/platform-tools",
    {
        "linux": "apt-get install adb (other distributions call the package android-tools)",
        "darwin": "brew install --cask android-platform-tools",
        "win32": "winget install Google.PlatformTools",
    },
)
MAVEN = Installation(
    "https://maven.apache.org/download.cgi",
    {"linux": "apt-get install maven", "darwin": "brew install maven"},
)
JAVA = Installation(
    "https://adoptium.net/temurin/releases",
    {
        "linux": "apt-get install openjdk-17-jre-headless",
        "darwin": "brew install --cask temurin@17",
        "win32": "winget install EclipseAdoptium.Temurin.17.JRE",
    },
)
