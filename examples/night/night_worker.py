"""A worker that believes to be on a host of its own: night_worker.py HOST ARGUMENT… is `rlaunch ARGUMENT…`.

Jobs that die at once on one host are taken to have died with it; so a night needs several.
"""

import socket
import sys

from lpad.rlaunch import main

if __name__ == "__main__":
    host = sys.argv[1]
    socket.gethostname = lambda: host
    socket.gethostbyname = lambda name: "127.0.0.1"
    sys.exit(main(sys.argv[2:]))
