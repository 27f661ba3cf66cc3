"""Measuring on a phone through adb: nothing is installed on it."""
