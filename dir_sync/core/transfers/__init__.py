"""Contents in transfer between nodes.

    transfer    fetches: ranges, windows, resume
    connection  one connection: the account of all folders that two nodes share
    uploads     progress of large uploads, for people
    growth      which older versions are the beginning of a file

May import: `dir_sync.core`. Who calls it: `engine` (its `transfers`, `fetcher`, `uploader`); `files` uses `growth`.
"""
