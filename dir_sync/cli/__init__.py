"""The command line: its options, its commands, and their output.

    entry         finds the command, and turns every error into one line and an exit code; COMMANDS is the table of all
    parser        the layout of help and errors
    asked         which folders a node shares: those on the command line, or those of the configuration file
    options       the options of a node, their checks and defaults; docs/options.md is made from them
    speed         the options that limit the speed
    preserving    the option that says what is kept of a file
    merging       the option --merge
    hook_options  what is done when something happens: --on-event, --notify
    log_options   the options that say what is logged, and where
    names         the names of several folders
    making        folders that --create makes
    config_file   the configuration file: each option has a key
    configuring   config, reload
    watching      events
    exits         the exit codes of all commands; docs/cli.md and --help are made from it
    results       one JSON object for programs, or lines for people
    commands      status, history, restore, undo
    versions      old versions in words and as JSON
    conflicting   conflicts
    deciding      held, approve, reject
    waiting       wait
    watch_view    status --watch
    headlines     the first line of `status`, and its table of peers
    conflict_tools  conflicts: show, merge
    doctor        doctor
    why           why
    verifying     verify
    overview      what the first --help says
    scrubbing     --scrub, as an option
    why_words     the text that it prints
    modes         diverged, override, revert
    pausing       pause, resume
    webbing       web
    ignoring      ignore
    completing    completion
    background    start, stop, restart
    service       service
    crontab       the crontab of this user, byte for byte
    boot_files    what systemd, OpenRC and cron read
    absolute      the words of a node, so written that they mean the same in any folder
    kept_options  the words of a node that is restarted with other options
    launch        a node as a process of its own, until it is ready or has ended
    running_nodes  nodes that run on this machine
    once          once: a node that ends when both sides have the same
    rehearsing    once --dry-run
    overruled     options of once that do not count, because a node runs for the folder
    plan_words    the table that it prints
    inviting      invite, join
    members       members, remove
    mesh          new-key, key, leave
    dialogue      what the commands about the mesh share
    status_words  the text of `status`

A new command is a function in one of these modules, a line in COMMANDS, a row in EXITS, and one in
tests/json_schemas.py. docs/architecture.md ("Where would you add") has the rest: docs, scripts/run, completions. If a
running node has to answer it, the answer is made in `dir_sync.daemon.requests`.
It may import everything but the engine: it runs a node through `dir_sync.daemon`, and asks one through
`dir_sync.network.control`. Who calls it: `dir_sync.__main__`.
"""

from dir_sync.cli.asked import read_configs
from dir_sync.cli.entry import COMMANDS, main

__all__ = ["COMMANDS", "main", "read_configs"]
