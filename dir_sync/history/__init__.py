"""The history for people: what synchronization replaced or deleted, and how to bring it back.

    codec       versions as JSON for the control socket; display names of versions and nodes
    answers     the answers of a node to the commands, from its index
    story       the story of one path, as the index tells it: for `why`
    sides       who made the versions that lost conflicts
    unkept      what is said where no old versions are found, and of machines that are away
    source      where a command gets its answers: the running node, or the index, opened here
    brought     the content of a version that only another machine keeps
    verify_here what `verify` does while no node runs
    recovering  at the start of a folder: what the last run displaced and did not record is listed
    restorer    puts files back without the engine
    client      the history of one folder: used by the commands history, restore, undo and conflicts
    choice      selects versions
    undo_plan   what an undo has to do, from the journal
    differences the difference between two texts, line by line
    words       text for people: times, tables, what an undo does

The daemon imports `answers`, the commands import `client`, `choice` and `words`. A restored file is an ordinary new
change: it is synchronized, and can be undone. The version that it displaces is kept as well.
"""
