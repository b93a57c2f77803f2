"""From a bare system to the first synced file, measured: python -m tests.fresh (as root).

It makes bare Debian 12, Debian 13 and Ubuntu 24.04 trees with debootstrap, installs dir_sync in each as the README and
docs/install.md say, starts two nodes in network namespaces of their own, and measures how long it takes until a file of
one is at the other. It is no part of the test suite: it needs root, debootstrap, a mirror of Debian or Ubuntu and an index
of Python packages, and takes some minutes. tests/test_fresh.py tests what can be tested without these.

systems.py   which systems there are, what keeps one from being made here, and how it is made.
machines.py  commands in such a tree, and two nodes with a network between them.
ways.py      the ways to install, each read from the documentation.
__main__.py  the command line, the order of all this, and the table.
"""
