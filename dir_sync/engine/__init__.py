"""One node's decisions about one folder, as pure machines around a board.

What is in it: `engine` dispatches; each other module is one machine, or what several of them share (`board`, `work`,
`values`, `constants`).
Rule: nothing here waits, reads a clock, or touches a disk or a socket. A file's bytes are durable before its row, and a
row is committed before a message tells of it. A path has at most one job at a time, so the result of a job is true
about the row from which it was ordered. What is to be done is never stored: the planner derives it from our records
(rows) and from what peers announced (offers).
A machine gets the board and the machines below it when it is made, never the engine. It uses no private name of another
machine. Upwards go only marks on the board and return values.
May import: `dir_sync.core`, `dir_sync.index`, `dir_sync.history.undo_plan`. Who calls it: `daemon`. Its loop, links and
requests give events to `Engine` alone; its status, requests and chores also ask single machines for figures.

Layers, lowest first: apply_orders, queues, scan_state; board; mode_rules, contacts; path_work; attempts, path_jobs, retries,
holders, expected, arrivals, folder_waits, obstacles, out_of_reach, room_queues; work; publisher; scope, stamps, sources,
versions, signatures, folder_times; brakes, own_losses, peer_losses; in_vain, readers, part_files; transfers; local_renames,
own_echoes, look_queue, names; rows; own_changes, deltas_out, rotten, uploader, applier, hard_links, incoming_moves; growth_in,
deltas_in, excerpts, fetcher; bulk_install, acquire, planner; declining, sync_report, unconfirmed, intake; forecaster; ignoring;
silent, recorder, local_changes, scan; queries, merging, path_decisions, decisions, idle; rereads, healing, apart,
verify_answers, scrub, verifying; router; machines; engine.
"""

from dir_sync.engine.engine import Engine
from dir_sync.engine.values import Now

__all__ = ["Engine", "Now"]
