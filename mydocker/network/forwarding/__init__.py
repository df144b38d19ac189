"""Moving bytes from a port of the host to the servers behind it: TCP through pipes in the kernel, UDP by sessions.

`worker` is a process that does it, in one thread around the `loop`; `targets` choose the server, `probe` looks after
sick ones. Nothing here knows of containers, files or commands: a worker is told what to do over a socket.
"""
