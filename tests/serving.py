"""`attn-audit` for shell scripts, forked from a process that has imported what takes seconds."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from tests.processes import IMPORTED

CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
said = json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]])
socket.send_fds(server, [said.encode()], [0, 1, 2])
sys.exit(int(server.recv(9) or 70))
"""


@contextmanager
def served(folder: Path) -> Iterator[Path]:
    """Serve for a while.

    Returns:
        The command: a file in the folder that runs as `attn-audit` does.
    """
    address, command = folder / "socket", folder / "attn-audit"
    command.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    command.chmod(0o755)
    words = [sys.executable, "-m", "tests.serving", str(address)]
    server = subprocess.Popen(words, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline()  # it listens
        yield command
    finally:
        server.kill()
        server.communicate()


def serve(address: str) -> None:
    """Run what clients ask for, until this process is killed."""
    for name in IMPORTED:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("listening", flush=True)
        while True:
            client, _ = listening.accept()
            said, outputs, *_ = socket.recv_fds(client, 2**20, 3)
            if os.fork() == 0:
                folder, environment, words = json.loads(said)
                _run(client, folder, environment, words, outputs)
            for number in outputs:
                os.close(number)
            client.close()


def _run(
    client: socket.socket,
    folder: str,
    environment: dict[str, str],
    words: list[str],
    outputs: list[int],
) -> None:
    """As a command of its own does, to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, given in enumerate(outputs):
        os.dup2(given, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["attn-audit", *words]
    from attn_audit.__main__ import main

    code: object = 70
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        client.send(str(code).encode())
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
