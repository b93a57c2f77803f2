"""The deterministic mesh: python -m tests.sim runs it from seeds."""
