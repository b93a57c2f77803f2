"""Work on files: everything that disk workers do for one folder.

What is in it: objects and functions that receive what they need (the disk, the staging folder, the clock, a function
that tells whether the program ends). `dir_sync.file_sync` makes them and hands each job to one of them.
Rule: never replace content that no look has seen. Every change names what it expects to find; if it finds anything
else, it changes nothing and reports that. A file gets its final name only when its digest is the announced one and its
content is durable. Displaced content is not deleted but renamed into the history.
May import: `dir_sync.core`, `dir_sync.ports`, `dir_sync.delta`. Who calls it: `file_sync` alone.

Layers, lowest first; a module imports only those before it:

    outcomes        exceptions that end a job early, and the answers for them
    hashing         digests of files
    fingerprints    fingerprints of files that we have just changed
    staging         the staging folder: names, and the removal of unneeded files
    history_store   the history: files away displaced versions, and removes pruned ones
    put_back        undoes an exchange or a rename that took content no look had seen
    kept            attributes that are kept on demand
    prepare         new content, complete and verified in the staging folder
    replace         replaces the expected content of a path
    install         installs at a path, or removes from it
    metadata        mode and mtime of existing files
    move            moves existing files
    unsigned        large files without a signature, kept open
    batches         many changes at once, with one sync for all
    growth          appends to one file: directly, or to a copy
    growth_undo     undoes what the last run appended and did not end
    appends         the jobs of growing files
    downloads       contents that arrive chunk by chunk
    patch           a delta and its base become a staged file
    deltas          signatures and deltas for peers
    reading         pieces of files for peers
    rereads         reads everything again, for `verify` and the scrub
    texts           texts that are merged, and merging them
    scanner         lists folders, looks at paths
    recovery        at the next start: what the last run left in the staging folder"""
