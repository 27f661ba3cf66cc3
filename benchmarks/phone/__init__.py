"""Measuring on a phone over adb: nothing is installed on it."""
