"""On whom it is measured: the servers, how each is built and started, and the processes that run them.

A program is given a port of 127.0.0.1 and, but for the examples, whether to echo or to broadcast. The peers are short
and written as their own users would write them, all with the same limits: messages of 64 MiB, no compression.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from .machine import loudly
from .places import BENCHES, BUILD, DEPS, PYTHON, ROOT
from .rows import BROADCAST, ECHO, PUBLISH

START_DEADLINE = 20


@dataclass(frozen=True)
class Server:
    name: str
    title: str
    commands: dict  # by mode; {port} is where the port goes
    version: tuple = ()  # a command that prints it; that it fails means that the server is not here
    product: str = ""  # whose version that is
    peer: bool = True
    raw: bool = False  # plain TCP

    @property
    def words(self):
        """A command of it, for whether it is here."""
        return self.commands[ECHO]

    def command(self, mode):
        """Who has no way of its own to publish sends to all."""
        return self.commands[mode] if mode in self.commands else self.commands[BROADCAST]


def program(name):
    return str(BUILD / name)


def both(*command):
    return {mode: (*command, "{port}", mode) for mode in (ECHO, BROADCAST)}


def python_version(name, *others):
    """A command that prints the version of a package, and ends badly without others that its program takes as well."""
    return (PYTHON, "-c", f"import {', '.join([name, *others])}, platform, importlib.metadata as packages; "
                          f"print(packages.version('{name}'), 'on Python', platform.python_version())")


def of_python(name):
    return Server(name, name, both(PYTHON, str(BENCHES / f"peers/{name}_server.py")), python_version(name), name)


WS_VERSION = ("node", "-p", "require('ws/package.json').version + ' on Node ' + process.versions.node")


BARE = Server("tcp_echo", "bare TCP", both(program("tcp_echo")), peer=False, raw=True)
# The same once more: how far its ratios to itself stray from 1 is how exact all of them are.
AGAIN = Server("tcp_echo-again", "bare TCP again", BARE.commands, peer=False, raw=True)
WSPUSH_C = Server("wspush-c", "wspush in C", {
    ECHO: (str(ROOT / "build/examples/echo"), "{port}"),
    BROADCAST: (program("wspush_server"), "{port}", BROADCAST),
    PUBLISH: (program("wspush_server"), "{port}", PUBLISH)},
    ("sh", "-c", "git describe --always --dirty || sed -n 's/^version = //p' Cargo.toml"), "wspush", peer=False)
WSPUSH_PHP = Server("wspush-php", "wspush in PHP", {
    ECHO: ("php", str(ROOT / "php-ext/examples/echo.php"), "{port}"),
    BROADCAST: ("php", str(BENCHES / "wspush_broadcast.php"), "{port}"),
    PUBLISH: ("php", str(BENCHES / "wspush_broadcast.php"), "{port}", PUBLISH)},
    ("php", "-r", "echo PHP_VERSION;"), "PHP", peer=False)
SOCKETIFY = of_python("socketify")
PEERS = [
    Server("uwebsockets", "uWebSockets, C++", both(program("uwebsockets_server")), SOCKETIFY.version,
           "uWebSockets inside socketify"),
    Server("libwebsockets", "libwebsockets, C", both(program("libwebsockets_server")),
           (program("libwebsockets_server"), "version"), "libwebsockets"),
    of_python("picows"),
    Server("ws", "ws, Node", both("node", str(BENCHES / "peers/ws_server.cjs")), WS_VERSION, "ws"),
    SOCKETIFY,
    of_python("websockets"),
]
SERVERS = {server.name: server for server in [BARE, AGAIN, WSPUSH_C, WSPUSH_PHP, *PEERS]}


def with_reactors(count):
    title = f"{count} reactor{'s' if count > 1 else ''}"
    return Server(title, title, {ECHO: (program("wspush_server"), "{port}", ECHO, f"reactors={count}")}, peer=False)


# ---- building --------------------------------------------------------------------------------------------------------

def build(servers):
    """Compiles all that is written in C. A peer that cannot be is left out later, for want of its version."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("load", "crowd", "tcp_echo"):
        compile_c(BENCHES / f"{name}.c")
    build_ours(ROOT)
    names = [server.name for server in servers]
    if "libwebsockets" in names:
        compile_c(BENCHES / "peers/libwebsockets_server.c", "-lwebsockets", must=False)
    if "uwebsockets" in names:
        for library in DEPS.glob("python/lib/python*/site-packages/socketify/libsocketify_linux_*.so"):
            compile_c(BENCHES / "peers/uwebsockets_server.c", str(library), f"-Wl,-rpath,{library.parent}", must=False)


def build_ours(checkout):
    """Compiles what is linked with wspush, in a checkout."""
    target = checkout / BUILD.relative_to(ROOT)
    target.mkdir(parents=True, exist_ok=True)
    for name in ("wspush_server", "wspush_client"):
        compile_c(checkout / f"benches/{name}.c", f"-I{checkout}/include", f"-L{checkout}/build/lib", "-lwspush", "-pthread",
                  "-Wl,-rpath,$ORIGIN/../lib", target=target)


def compile_c(source, *options, must=True, target=BUILD):
    target = target / source.stem
    target.unlink(missing_ok=True)
    result = subprocess.run([os.environ.get("CC", "cc"), "-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", str(source),
                             *options, "-o", str(target)], capture_output=True, text=True)
    if result.returncode != 0:
        text = f"{source} does not compile:\n{result.stderr}"
        if must:
            raise SystemExit(f"{text}\nmake examples builds what it is linked with")
        print(text, file=sys.stderr)


def versions(servers):
    """What each server or client says its version is, by name. A peer that is not here is left out, loudly; ours must be here."""
    found = {}
    for server in servers:
        missing = [word for word in server.words[:2] if word.startswith("/") and not os.path.exists(word)]
        said = run_version(server.version) if server.version and not missing else ""
        if missing or said is None:
            why = f"there is no {missing[0]}" if missing else f"it does not answer {' '.join(server.version)}"
            if not server.peer:
                raise SystemExit(f"{server.title}: {why} (make bench installs and builds it)")
            loudly(f"{server.title} is left out: {why} (make bench installs and builds it)")
        else:
            found[server.name] = said
    return found


def run_version(command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=START_DEADLINE, cwd=ROOT, env=environment())
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip(" -\n") if result.returncode == 0 else None


def environment():
    return {**os.environ, "NODE_PATH": str(DEPS / "node/node_modules")}


# ---- running ---------------------------------------------------------------------------------------------------------

class Process:
    """A server that accepts connections."""

    def __init__(self, server, mode):
        self.server, self.mode = server, mode
        self.port = free_port()
        self.errors = tempfile.TemporaryFile()
        command = [word.replace("{port}", str(self.port)) for word in server.command(mode)]
        self.popen = subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=self.errors, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def wait_until_listening(self):
        deadline = time.monotonic() + START_DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self.popen.poll() is not None or time.monotonic() > deadline:
                    raise ServerFailed(f"does not listen: {self.last_words()}") from None
                time.sleep(0.01)

    def wait_until_idle(self):
        """Until it has dealt with what a load program left behind: ten thousand closed connections, say."""
        deadline, before = time.monotonic() + START_DEADLINE, self.processor_ns()
        while time.monotonic() < deadline:
            time.sleep(0.05)
            now = self.processor_ns()
            if now - before < 0.05 * 0.05e9:
                return
            before = now

    def processor_ns(self):
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:
                pass  # a thread that has ended meanwhile
        return total

    def last_words(self):
        status = self.popen.poll()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip()[-500:]
        return f"{'runs' if status is None else f'ended with {status}'}{', and said: ' if said else ''}{said}"

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()
        self.errors.close()


class ServerFailed(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
