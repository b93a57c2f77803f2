"""Tests of the index, table by table."""
