"""Tests of `dir_sync/reporting/`."""
