"""One node's decisions about one folder, as pure machines around a board.

What is in it: `engine` dispatches; each other module is one machine, or what several of them share (`board`, `work`,
`values`, `constants`).
Rule: nothing here waits, reads a clock, touches a disk or a socket: bytes first, then the index, then words. A path has at
most one job at a time, so a job's answer is true about the row it was made from. What is to be done is never stored: it is
computed again from what we have (rows) and what peers announced (offers).
A machine gets the board and the machines below it when it is made, never the engine. It touches nobody's private names.
Upwards go only marks on the board and return values.
May import: `dir_sync.core`, `dir_sync.index`, `dir_sync.history.undo_plan`. Who calls it: `daemon`. Its loop, links and
requests give events to `Engine` alone; its status, requests and chores also ask single machines for figures.

Layers, lowest first: queues; board; path_work; attempts, path_jobs, retries, holders, expected, arrivals,
folder_waits, obstacles, out_of_reach, room_queues;
work; publisher; scope, stamps, sources, versions, signatures, folder_times; brakes, own_losses, peer_losses; transfers;
local_renames, look_queue, names; rows; deltas_out, uploader, applier, incoming_moves; growth_in, deltas_in, fetcher;
bulk_install, acquire, planner; sync_report, intake; recorder, local_changes, scan; queries, decisions, idle, router;
machines; engine."""

from dir_sync.engine.engine import Engine
from dir_sync.engine.values import Now

__all__ = ["Engine", "Now"]
