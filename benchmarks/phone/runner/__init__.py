"""The runner on a phone: its jobs, its protocol, and how it is launched."""
