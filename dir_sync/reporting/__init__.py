"""Text for people: the log, the output of commands, and commands to paste.

    output      stdout and stderr of a command: every name can be printed, a full disk is reported in one line
    log         log lines: their destinations, times, and the words for numbers and sizes
    log_file    the log file: rotation, and opening it anew
    shell       commands that can be pasted into a shell
    live_line   a line of a terminal that is written again in its place
    progress_words  how far a synchronization has come, in words
    sentences   one sentence for each kind of note
    event_words  events in the sentences of the log
    prometheus  the state of nodes as text for Prometheus
    narrator    turns notes into log lines: related notes become one line, many equal ones are counted

The notes are frozen values in `dir_sync/core/notes.py`; the engine makes them. The stream of events
(`daemon.stream`) is the other consumer beside `narrator`.
May import: `dir_sync.core`, `dir_sync.config`. Who calls it: `daemon`, `folder`, `history` and `cli`; `config` uses `output`.
"""
