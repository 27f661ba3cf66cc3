"""adb: client, parsers of command output, device selection, device facts, files on the phone."""
