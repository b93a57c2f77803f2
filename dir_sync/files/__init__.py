"""Effects on bytes: all that disk workers do for one folder, room by room.

What is in it: objects and functions that are given what they need (the disk, the staging folder, the clock, a question
whether the program ends). `dir_sync.file_sync` makes them and gives each job to its room.
Rule: never replace bytes that nobody has seen. Every change names what it expects to find; if it finds anything else, it
does nothing and says so. Nothing gets its final name before its whole digest is the announced one and it is on the
medium. What is displaced is not deleted but renamed into the history.
May import: `dir_sync.core`, `dir_sync.ports`, `dir_sync.delta`. Who calls it: `file_sync` alone.

Layers, lowest first; a room imports only those before it:

    outcomes        what ends a job early, and the answer that follows from it
    hashing         digests of files
    fingerprints    what is known of a file after we touched it
    staging         the staging folder: names, and the removal of what is not needed
    history_store   what is displaced goes in; what is pruned goes out
    put_back        undoes an exchange or a rename that took what nobody had seen
    prepare         new content, complete and verified in the staging folder
    replace         takes a name from what was expected there
    install         gives a name; removes one
    metadata        mode and mtime of what is there
    move            moves what is here already
    unsigned        large files without a signature, held open
    batches         many changes at once, with one sync for all
    growth          one file grows: in its place, or as a longer copy
    appends         the jobs of files that grow
    downloads       contents that come chunk by chunk
    patch           a delta and its base become a staged file
    deltas          signatures and deltas for peers
    reading         pieces of files for peers
    scanner         lists folders, looks at paths
    recovery        the next start: what the last run left in the staging folder"""
