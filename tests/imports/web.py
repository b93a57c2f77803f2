"""Rows of the import table: what each module of the web pages may import."""

from __future__ import annotations

WEB: dict[str, set[str]] = {
    "web": set(),
    "web.door": set(),
    "web.stream": set(),
    "web.texts": set(),
    "web.saving": {"config"},
    "web.invitations": {"network.control"},
    "web.nodes": {
        *("cli.dialogue", "config", "folder.root", "network.control", "reporting.shell", "web.invitations"),
    },
    "web.replies": {"config", "network.control", "ports", "web.nodes"},
    "web.sampling": {"network.control", "web.nodes", "web.stream"},
    "web.routes": set(),
    "web.routes.overview": {"config", "folder.pauses", "network.control", "web.replies"},
    "web.routes.metrics": {"reporting.prometheus", "web.replies"},
    "web.activity": {"network.control", "reporting.event_words", "web.nodes"},
    "web.routes.activity": {"network.control", "web.activity", "web.replies"},
    "web.routes.history": {
        *(
            "cli.ignoring",
            "cli.why",
            "cli.why_words",
            "config",
            "disk",
            "history.choice",
            "history.client",
            "history.words",
            "network.control",
        ),
        *("ports", "web.replies", "web.routes.ignoring", "web.texts"),
    },
    "web.routes.content": {
        *("config", "disk", "history.client", "history.differences", "history.words", "network.control", "ports"),
        *("web.replies", "web.routes.history", "web.texts"),
    },
    "web.routes.decisions": {
        *("config", "history.choice", "history.client", "network.control", "web.replies", "web.routes.history"),
    },
    "web.routes.mesh": {"cli.members", "config", "network.control", "web.invitations", "web.replies"},
    "web.routes.ignoring": {"cli.ignoring", "config", "network.control", "reporting.log", "web.replies", "web.saving"},
    "web.routes.doctor": {"config", "doctor.examination", "network.control", "web.replies"},
    "web.routes.settings": {
        *("cli.asked", "cli.config_file", "cli.configuring", "config", "folder.running", "network.control"),
        *("web.replies", "web.saving"),
    },
    "web.app": {
        *(
            "web.activity",
            "web.door",
            "web.nodes",
            "web.sampling",
            "web.stream",
            "web.routes.activity",
            "web.routes.doctor",
        ),
        *("web.routes.content", "web.routes.decisions", "web.routes.history", "web.routes.ignoring"),
        *("web.routes.mesh", "web.routes.metrics", "web.routes.overview", "web.routes.settings"),
    },
    "web.serve": {"config", "web.app", "web.door", "web.nodes"},
    "cli.webbing": {"cli.dialogue", "cli.parser", "config", "reporting.output", "web.serve"},
}
