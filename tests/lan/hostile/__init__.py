"""Attacks by a machine on the LAN, one file for each kind; the client is made from docs/protocol.md alone."""
