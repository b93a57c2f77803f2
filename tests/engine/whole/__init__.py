"""Whole engines by hand, without any other node: rules in which several machines take part."""
