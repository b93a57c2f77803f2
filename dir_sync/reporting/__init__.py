"""What people read: the log, the lines that commands print, and commands to paste.

    output      stdout and stderr of a command: every name can be printed, a full disk is one line
    log         log lines: where they go, their times, numbers and sizes in words
    shell       commands that can be pasted into a shell
    sentences   one sentence for each kind of note
    narrator    notes become log lines: what belongs together is one line, a crowd is counted

The notes are frozen values in `dir_sync/core/notes.py`; the engine makes them. A web page or a stream of events would be
one more consumer beside `narrator`.
May import: `dir_sync.core`, `dir_sync.config`. Who calls it: `daemon`, `folder`, `history` and `cli`; `config` uses `output`.
"""
