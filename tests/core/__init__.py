"""Tests of the pure core: tables and hypothesis."""
