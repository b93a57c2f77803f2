"""One running node: the parts of the process, the parts of the shared folder, and the loop that joins them.

    process.py   run(): wait for the folder, share it until a signal comes, wait again after trouble that passes
    daemon.py    Daemon: the process's parts (ports, discovery, roster, control socket) around one Share
    share.py     Share: one folder: its lock, disk, index, watcher, workers and engine
    loop.py      Loop: the engine's thread: news in, one turn, effects out
    effects.py   Performer: commits the index, then does what the engine ordered
    chores.py    Chores: periodic work of the loop: scans, progress lines, a check of the folder
    links.py     ConnectedPeers: accepts and removes peers, and carries out the actions of the roster
    requests.py  Requests: the commands that arrive through the control socket
    status.py    collects the figures of `status`
    jobs.py      DiskWorkers: the threads that do the engine's jobs on the disk
    threads.py   Threads: starts all threads of this package, and handles their uncaught errors
    inbox.py     Inbox: the events for the engine's thread, and which comes next
    news.py      the events that only this package posts to the inbox
    workers.py   the queue of disk jobs, in fair shares for all peers
    signals.py   the signals that end a node

May import: everything below the commands. Who calls it: `cli`, through `process.run`; main.py and `cli` listen to `signals`.
Rule: the engine's thread waits for its inbox and for nothing else (except the commit of its index). All other threads
post events to the inbox, or take orders from it. A file's bytes are durable before its row, and a row is committed
before a message tells of it: effects are performed after the commit that covers them.
"""
