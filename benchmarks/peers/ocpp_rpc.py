"""The npm package `ocpp-rpc`: this process becomes Node.js, which runs `ocpp_rpc.js`."""

import os
import sys
from pathlib import Path

from benchmarks.peers.node import packages

if __name__ == "__main__":
    program = str(Path(__file__).with_suffix(".js"))
    environment = {**os.environ, "NODE_PATH": str(packages())}
    os.execvpe("node", ["node", program, *sys.argv[1:]], environment)  # noqa: S606 - Node.js of the user
