"""The echo on tokio-tungstenite in Rust, which is built with the load generator: this process becomes it."""

import os
import sys

from benchmarks.load import build

if __name__ == "__main__":
    program = build().with_name("tungstenite_echo")
    os.execv(program, [str(program), *sys.argv[1:]])  # noqa: S606 - our own program
