"""The history for people: what synchronization replaced or deleted, and how it comes back.

    codec       versions as they cross the control socket; what people call versions and nodes
    answers     what a node answers to the commands, from its index
    source      whom a command asks: the node that runs on the folder, or its index, opened here
    restorer    puts files back without the engine
    client      one folder's history, open: what the commands history, restore, undo and conflicts call
    choice      which of many versions are meant
    words       what people read: times, tables, what an undo does

The daemon imports `answers`, the commands import `client`, `choice` and `words`. A restored file is an ordinary new change: it
spreads, and can itself be undone. What it displaces is kept in turn.
"""
