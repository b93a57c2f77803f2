"""Tests of `dir_sync/network/`."""
