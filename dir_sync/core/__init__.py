"""The pure core: values and functions. No I/O, clock, thread, dice or log."""
