"""The command `doctor`: what is right and what is wrong with this machine, a shared folder and its network.

    verdict         a check: its verdict, a sentence, and the commands that mend it
    network_checks  judgements: broadcast, ports, firewall, MTU, clocks, versions
    machine_checks  judgements: inotify, open files, librsync, this user's state folder
    folder_checks   judgements: abilities of the file system, free space, rights, pauses
    network_facts   sends and hears broadcasts, tries ports, asks the node about its peers
    broadcasts      sends broadcasts on each interface and listens
    pings           do full packets reach a peer?
    machine_facts   reads limits, tries librsync
    folder_facts    tries the file system in a folder of ours, measures free space
    examination     gathers facts and judges them: `examine` is the one function for callers

Rule: facts are gathered in one place and judged in another: a judgement is a pure function of facts. Nothing here disturbs
a running node: broadcasts of `doctor` mean nothing to any node, nothing connects to a port, and what is tried on the disk
is tried in `.dir_sync`, and removed. Loaded on demand: a node imports none of it.
May import: everything below the commands. Who calls it: `cli.doctor`.
"""
