"""Tests of core.messages: one module for each topic, one for records, and what holds for every message."""
