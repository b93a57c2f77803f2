"""The shared folder as a place: whether it may be shared now, and which program has its lock.

    root        does the folder exist? A disk that is not mounted looks like an empty folder
    state       `.dir_sync`: its lock, and the index in it
    settings    the options of a node as values of JSON, for commands in other processes
    pauses      what a person has said about a pause, as a note of the index
    running     which process runs with which configuration file
    processes   which process shares a folder, by what the kernel knows of it
    shared_now  which folders the nodes of this user share at the moment
    locking     a lock that another program may have for a moment
    started     when a process started
    typed       a path in the folder, as a person types it
    user_state  what this user's programs remember on this machine, outside all folders

May import: `dir_sync.core`, `dir_sync.config`, `dir_sync.index`, `dir_sync.reporting`. Who calls it: `daemon`, `history`, `cli`.
"""
