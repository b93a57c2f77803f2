"""The files with which an init system starts a node at each boot: a unit of systemd, a script of OpenRC, a line of cron.

In:   what is to be started, as a Service. Out: text. Nothing is written here.
Rule: a node that is broken into can write into the shared folder and into its own state, and nowhere else. What the program needs
beyond that has its reason beside it.
Used by: service.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from dir_sync import config
from dir_sync.cli.absolute import Words, without
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple

__all__ = ["CREDENTIAL", "Service", "cron_line", "openrc_script", "unit"]

CREDENTIAL = "mesh.key"

_ALWAYS = """\
NoNewPrivileges=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM"""

_OF_ROOT = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_LEASE CAP_NET_BIND_SERVICE CAP_SYS_NICE"
)


class Service(NamedTuple):
    """`program`: the words that start dir_sync; `words`: those of the node. `file`: the configuration file, if there is one.
    `user`: whose node it is, if the machine starts it; "": a user's own systemd starts it."""

    name: str
    program: list[str]
    words: Words
    folders: Sequence[str]
    state: str
    file: str | None = None
    user: str = ""
    needs_low_port: bool = False


def unit(service: Service) -> str:
    """A unit of systemd. ConfigError if a path cannot stand in one."""
    lines = ["[Unit]", f"Description=dir_sync: {_described(service)}", "Documentation=man:dir-sync(1)"]
    if service.user:
        lines.append("After=network.target local-fs.target remote-fs.target")
    lines += ["", "[Service]", "Type=notify", "NotifyAccess=main", f"ExecStart={_command(service)}"]
    lines += ["ExecReload=/bin/kill -HUP $MAINPID", "Restart=on-failure", "RestartSec=10"]
    lines += ["# 2: the command line or the configuration file is wrong, and will be at the next try, too"]
    lines += ["RestartPreventExitStatus=2", "TimeoutStopSec=30", "SyslogIdentifier=dir-sync"]
    lines += [f"User={service.user}"] if service.user else []
    lines += ["", *_hardening(service), "", "[Install]"]
    lines += [f"WantedBy={'multi-user.target' if service.user else 'default.target'}"]
    lines += ["", "[X-dir_sync]", *(f"Folder={_checked(folder)}" for folder in service.folders)]
    lines += [f"File={_checked(service.file)}"] if service.file else []
    return "\n".join(lines) + "\n"


def _hardening(service: Service) -> list[str]:
    lines = []
    if key := _value(service.words, "key_file"):
        lines.append(f"LoadCredential={CREDENTIAL}:{_checked(key).replace('%', '%%')}")
    if service.file is None:
        paths = [*service.folders, service.state]
        if log := _value(service.words, "log_file"):
            paths.append(os.path.dirname(log))  # it is rotated there
        if signatures := _value(service.words, "signature_dir"):
            paths.append(signatures)
        else:
            lines.append(f"CacheDirectory=dir-sync/{service.name}")
        lines += ["ProtectSystem=strict", "ProtectHome=read-only"]
        lines += [f"ReadWritePaths={_word(path)}" for path in dict.fromkeys(paths)]
    else:
        lines += ["# The configuration file may name other folders tomorrow: they could not be written under 'strict'."]
        lines.append("ProtectSystem=full")
    lines += [
        "# No MemoryDenyWriteExecute: Python calls librsync by libffi. No RestrictSUIDSGID: folders keep their setgid bit."
    ]
    lines += ["# No PrivateTmp: on vfat and exFAT the control socket is in /tmp or /run/user."]
    lines.append(_ALWAYS)
    if service.user == "root":
        lines.append(f"CapabilityBoundingSet={_OF_ROOT}")
    elif service.user:
        port = "CAP_NET_BIND_SERVICE" if service.needs_low_port else ""
        lines.append(f"CapabilityBoundingSet={port}")
        lines += [f"AmbientCapabilities={port}"] if port else []
    return lines


def _command(service: Service) -> str:
    words = without(service.words, frozenset({"key_file"}))
    line = [_exec_word(word) for word in (*service.program, "run", *words.line)]
    if "key_file" in service.words.options:
        line.append(f"--key-file=${{CREDENTIALS_DIRECTORY}}/{CREDENTIAL}")
    if service.file is None and "signature_dir" not in words.options:
        line.append(f"--signature-dir=%C/dir-sync/{service.name}")
    return " ".join(line)


def openrc_script(service: Service) -> str:
    """A script for /etc/init.d."""
    words = shlex.join(["run", *service.words.line])
    program, *arguments = service.program
    return "\n".join(
        [
            "#!/sbin/openrc-run",
            *(f"# Folder={_checked(folder)}" for folder in service.folders),
            *([f"# File={_checked(service.file)}"] if service.file else []),
            f"description={shlex.quote('dir_sync: ' + _described(service))}",
            "supervisor=supervise-daemon",
            f"command={shlex.quote(program)}",
            f"command_args={shlex.quote(' '.join([*map(shlex.quote, arguments), words]))}",
            f"command_user={shlex.quote(service.user or 'root')}",
            "respawn_delay=10",
            "retry=TERM/30/KILL/5",
            "extra_started_commands=reload",
            "",
            "depend() {",
            "    need localmount",
            "    after net",
            "}",
            "",
            "reload() {",
            '    supervise-daemon "$RC_SVCNAME" --signal HUP',
            "}",
            "",
        ]
    )


def cron_line(service: Service) -> str:
    """A line of a user's crontab."""
    folders = ", ".join([*service.folders, *([service.file] if service.file else [])])
    command = shlex.join(map(_checked, [*service.program, "start", *service.words.line]))
    return f"@reboot {command} # {service.name}: {_checked(folders)}".replace("%", "\\%")


def _value(words: Words, name: str) -> str:
    return words.options.get(name, [""])[0].partition("=")[2]


def _described(service: Service) -> str:
    return ", ".join(show(os.fsencode(path)) for path in ([service.file] if service.file else service.folders)).replace(
        "%", "%%"
    )


def _exec_word(word: str) -> str:
    return _word(word.replace("$", "$$"))


def _word(word: str) -> str:
    """Quoted as systemd reads it."""
    word = _checked(word).replace("%", "%%")
    if word and all(c.isalnum() or c in "/._-+=:,@%$~" for c in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checked(path: str) -> str:
    """ConfigError for what no such file can hold."""
    if not path.isprintable():
        raise ConfigError(
            f"{show(os.fsencode(path))} has characters that cannot stand in a file of the init system: rename it, or name the"
            " folder in a configuration file",
            config.ENVIRONMENT,
        )
    return path
