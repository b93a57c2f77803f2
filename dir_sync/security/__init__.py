"""Closed meshes on this machine: where the key lies, who this machine is, and what keeps both from others.

What is in it: `files` reads and writes private files, and says whether a folder is closed; `store` has what is kept for one
folder, and the identity of the machine; `admission` decides with which key a node runs, or that it must not; `process` keeps
secrets out of core dumps. All but `files` import `cryptography`, so an open node imports only `files`.
It may import core, config, root and log. Who uses it: the daemon and the commands.
"""
