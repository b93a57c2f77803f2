"""What the first --help says: what the program is for, examples, and the other commands.

In:   nothing. Out: texts for the parser of a node.
Used by: options.
"""

from __future__ import annotations

__all__ = ["EXAMPLE", "HELP"]

HELP = (
    "Keep the folder DIR the same on every machine of this LAN that runs this command. The machines find each other; there"
    " is nothing else to set up. Anything you create, edit, rename or delete in DIR appears on all of them."
)

EXAMPLE = """\
examples:
  {program} ~/shared
  {program} ~/shared -b 5000 -l 6000 -s /tmp/signatures
                        the same: these are the defaults

two nodes on one machine need two TCP ports:
  {program} one -l 6000
  {program} two -l 6001

other commands (--help after any of them tells more):
  start DIR             run a node that goes on when the terminal is closed
  stop, restart DIR     end it; or end it, and start it again
  service install DIR   let it start at each boot
  once DIR              make DIR the same as on other machines once, then end
  status DIR            show how the node for DIR is doing
  why DIR PATH          tell what is going on at one path, and why
  verify DIR            read everything again, here and there (--repair)
  events DIR            print what happens in DIR, while it happens
  wait DIR              end when everything is on the other machines, too
  doctor [DIR]          find out what is wrong with the network or this machine
  history DIR           list old versions of replaced and deleted files
  restore DIR PATH      bring an old version back
  undo DIR --since 10m  set all of DIR back to what it was ten minutes ago
  conflicts DIR         list versions that lost against a simultaneous change
  held DIR              list what is held until you decide
  approve DIR           let held deletions or rewrites happen, on all machines
  reject DIR            undo them instead, on all machines
  diverged DIR          list what a node with --mode has otherwise than others
  override, revert DIR  end that: ours counts everywhere; or ours is undone
  pause, resume DIR     exchange nothing for a while (--for 1h), and go on
  ignore DIR            list the rules for paths that are not shared
  invite DIR            close the mesh, and let one more machine in by a code
  join DIR              become a member with that code
  members DIR           list who belongs to the closed mesh
  remove DIR NAME       a machine was lost: all others get a new key
  new-key, key, leave   make a key file, print the key of DIR, forget it
  web                   show all of this in a browser (--open)
  completion SHELL      let the shell complete commands and options
  config                check the configuration file, or print an example
  reload                let the running node read the configuration file again

Ctrl-C ends the node. As long as the mesh is open, anyone on this LAN can join.
"""
