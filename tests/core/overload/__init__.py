"""Tests of `dir_sync/core/overload/`."""
