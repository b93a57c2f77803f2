"""Closed meshes on this machine: where the key lies, who this machine is, and what keeps both from others.

    files        private files; the mark in DIR that says that it is closed
    store        what is kept for each folder, and the identity of this machine
    admission    with which key a node runs, or that it must not
    process      keeps secrets out of core dumps
    keeper       key and membership as they are now: every change goes to the disk first
    frames       frames on a socket until a deadline
    inviting     one side of a code: an invitation that is open
    joining      the other side
    invitations  the place of the one invitation that is open
    founding     an open folder becomes closed; a new key without the members that were removed
    listing      key and members as values that can be printed
    alone        what commands do with the key while no node runs
    meeting      two machines with different keys talk on a sealed link
    callers      who comes to the door with a code, or with another key

All but `files` import `cryptography`, so an open node imports only `files`.
It may import core, config, root and log. Who uses it: the daemon and the commands.
"""
