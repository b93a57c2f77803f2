"""When a path is looked at, and what several looks mean together.

    pending_looks   which paths have to be looked at, and when
    pace      how often a file that keeps changing is looked at
    opened    when an open file that is rewritten is announced
    renames   which names belong together: the halves of a rename, the steps of a save
    echoes    which events are echoes of our own work
    linked    which names one file has, when it was changed through one of them

May import: `dir_sync.core`. Who calls it: `engine` (its `look_queue`, `local_renames`, `work`).
"""
