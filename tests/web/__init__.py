"""Tests of dir_sync/web: the pages of `dir-sync web`."""
