"""What the web pages ask for, one module for each group of pages. Each has ROUTES, which `web.app` puts together.

    activity    events, page by page
    overview    pause, resume
    metrics     the page for Prometheus
    history     lists of files and of old versions; one file's timeline; restoring
    content     what is in a file or a version: download, preview, difference
    decisions   conflicts; held changes
    mesh        members, invitations, removing
    ignoring    rules for what is not shared, and their effect
    settings    the configuration file
    doctor      the checks of the command `doctor`

Rule: they know nothing of each other but `history`, which finds versions for two of them.
"""
