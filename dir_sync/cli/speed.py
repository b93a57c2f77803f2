"""The options that limit what a node sends and takes: how fast, when, and how much.

In:   a parser's group, and the arguments. Out: the SpeedLimits of a Config.
Used by: options.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from dir_sync import config
from dir_sync.cli.parser import checked
from dir_sync.core.overload.byte_rate import SpeedLimits

__all__ = ["TITLE", "add_options", "speed_of"]

TITLE = "limits (RATE: bytes a second, as 500k or 2M); small changes do not wait"


def add_options(add: Callable[..., object]) -> None:
    """`add`: add_argument of the group."""
    for option, what in (
        ("--limit-up", "send at most RATE, to all machines together"),
        ("--limit-down", "receive at most RATE, from all machines together"),
        ("--limit-up-per-peer", "send at most RATE to each machine"),
        ("--limit-down-per-peer", "receive at most RATE from each machine"),
    ):
        add(option, metavar="RATE", type=checked(config.checked_rate), default=0, help=f"{what} (default: no limit)")
    add(
        "--schedule",
        metavar="RULE",
        action="append",
        type=checked(config.checked_rule),
        default=[],
        help='other limits at some times: "mo-fr 08:00-18:00 up=1M down=2M", or "sa,su off" (nothing is sent or taken then);'
        " repeatable, the last rule that holds counts; days and times may be left out",
    )
    add(
        "--max-file-size",
        metavar="SIZE",
        type=checked(config.checked_size),
        default=0,
        help="neither send nor take files that are larger than SIZE; 'status' lists them (default: any size)",
    )
    add(
        "--min-free",
        metavar="P%|SIZE",
        type=checked(config.checked_keep),
        help="take no contents that would leave less than 5%% of the disk free, or less than SIZE (default: until the disk is"
        " full)",
    )
    add(
        "--file-interval",
        metavar="TIME",
        type=checked(config.checked_interval),
        default=0,
        help="send one file at most every TIME (10s, 2m) however often it is saved; its last state always arrives"
        " (default: at once)",
    )


def speed_of(given: argparse.Namespace) -> SpeedLimits:
    return SpeedLimits(given.limit_up, given.limit_down, given.limit_up_per_peer, given.limit_down_per_peer)
