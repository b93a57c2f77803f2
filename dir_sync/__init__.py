"""dir_sync: keep one folder the same on every machine of a LAN."""

__version__ = "0.2.0"
