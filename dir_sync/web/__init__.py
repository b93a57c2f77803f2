"""The pages of `dir-sync web`: a process of its own, beside the nodes of this user, which it asks by their control sockets.

    door       who may ask: the token in the address, the cookie, Host and Origin, the headers of every answer
    nodes      the folders that this user shares, and how their nodes are asked
    replies    what all routes have in common: JSON in and out, paths as keys, errors as one line
    sampling   asks the nodes every second, and remembers an hour of rates
    activity   the events of all nodes, collected while a page is open
    invitations  those that a page has made; a code as a picture
    saving     text files that a page shows and changes
    texts      what is text, in UTF-8 or Latin-1
    stream     the server-sent events that keep the pages up to date
    routes     what the pages ask for, one module for each group of pages
    app        puts these together
    serve      the socket, and the process from its start to its end
    static     the pages: HTML, CSS, plain JavaScript modules, one catalogue of texts for each language

Rule: a node knows nothing of this package. Only the command `web` imports it, and it uses the functions by which the other
commands ask a node.
"""
