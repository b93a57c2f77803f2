"""Daemons that die, and disks that lose power, at chosen moments; what they promise is checked afterwards."""
