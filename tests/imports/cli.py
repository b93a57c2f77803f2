"""Rows of the import table: what each module of the command line may import."""

from __future__ import annotations

CLI: dict[str, set[str]] = {
    "cli.dialogue": {
        *("cli.parser", "config", "folder.root", "network.control", "reporting.log", "reporting.shell", "utils"),
    },
    "cli.ignoring": {
        *("cli.parser", "config", "reporting.log", "reporting.output"),
    },
    "cli.why": {
        *("cli.dialogue", "cli.ignoring", "cli.parser", "cli.why_words", "config", "history.choice"),
        *("history.client", "network.control", "ports", "reporting.output", "reporting.shell"),
    },
    "cli.why_words": {"config", "network.control", "reporting.log", "reporting.shell"},
    "cli.event_words": {"reporting.log", "reporting.sentences"},
    "cli.watching": {
        *("cli.dialogue", "cli.event_words", "cli.parser", "config", "network.control", "reporting.output"),
    },
    "cli.modes": {
        *(
            "cli.dialogue",
            "cli.parser",
            "config",
            "network.control",
            "reporting.log",
            "reporting.output",
            "reporting.shell",
        ),
    },
    "cli.inviting": {
        *("cli.dialogue", "cli.parser", "config", "folder.state", "network.control", "reporting.log"),
        *("reporting.output", "reporting.shell", "security.alone", "security.files", "security.invitations"),
        *("security.inviting", "security.joining", "security.listing", "security.process", "security.store"),
    },
    "cli.members": {
        *("cli.dialogue", "cli.parser", "config", "network.control", "reporting.log", "reporting.output"),
        *("security.alone", "security.founding", "security.keeper", "security.listing", "security.process"),
    },
    "cli.parser": {"config", "reporting.output", "reporting.shell"},
    "cli.names": {"", "config"},
    "cli.asked": {"cli.config_file", "cli.making", "cli.names", "cli.options", "config"},
    "cli.config_file": {"cli.names", "cli.options", "config"},
    "cli.configuring": {
        "cli.asked",
        "cli.config_file",
        "cli.parser",
        "config",
        "folder.running",
        "reporting.log",
        "reporting.output",
        "reporting.shell",
    },
    "cli.completing": {"cli.parser", "config", "reporting.output"},
    "cli.making": {"config", "folder.root"},
    "cli.log_options": {"cli.parser", "config"},
    "cli.speed": {"cli.parser", "config"},
    "cli.preserving": {"cli.parser", "config"},
    "cli.options": {
        "",
        "cli.log_options",
        "cli.merging",
        "cli.parser",
        "cli.preserving",
        "cli.speed",
        "config",
        "folder.root",
        "reporting.shell",
        "utils",
    },
    "cli.merging": {"cli.parser", "config", "reporting.shell"},
    "cli.mesh": {
        *("cli.dialogue", "cli.parser", "config", "folder.state", "reporting.output", "reporting.shell"),
        *("security.files", "security.process", "security.store"),
    },
    "cli.plan_words": {"reporting.log"},
    "cli.rehearsing": {
        *("cli.dialogue", "cli.plan_words", "cli.status_words", "config", "daemon.dry_run", "daemon.signals"),
        *("folder.pauses", "folder.state", "network.control", "reporting.log", "reporting.output"),
    },
    "cli.once": {
        *("cli.dialogue", "cli.inviting", "cli.making", "cli.options", "cli.parser", "cli.rehearsing"),
        *("cli.status_words", "config", "daemon.shot", "daemon.signals", "folder.pauses", "folder.state"),
        *("reporting.log", "reporting.output", "reporting.shell"),
    },
    "cli.pausing": {
        *("cli.dialogue", "cli.parser", "config", "folder.pauses", "history.source", "index", "network.control"),
        *("reporting.log", "reporting.output", "reporting.shell"),
    },
    "cli.status_words": {"config", "network.control", "reporting.log", "reporting.shell"},
    "cli.conflict_tools": {"config", "history.choice", "history.client", "history.words", "reporting.log"},
    "cli.commands": {
        "cli.conflict_tools",
        *("cli.dialogue", "cli.parser", "cli.status_words", "config", "network.control", "reporting.log"),
        *("reporting.output", "reporting.shell", "history.choice", "history.client", "history.words"),
    },
    "cli.entry": {
        *(
            "",
            "cli.asked",
            "cli.commands",
            "cli.completing",
            "cli.configuring",
            "cli.ignoring",
            "cli.inviting",
            "cli.members",
        ),
        "cli.watching",
        "cli.webbing",
        *("cli.mesh", "cli.modes", "cli.once", "cli.pausing", "cli.why", "config", "daemon.process"),
        *("daemon.rereading", "daemon.signals", "daemon.supervisor", "reporting.log", "reporting.output"),
        *("reporting.shell",),
    },
    "cli": {"cli.asked", "cli.entry"},
}
