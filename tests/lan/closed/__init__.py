"""Closed meshes on a LAN: what strangers get, who only listen, connect, repeat, change on the way, or flood."""
