"""Tests of `dir_sync/core/transfers/`."""
