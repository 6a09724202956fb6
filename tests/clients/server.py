"""A server under test: a child process, the port it serves, and what the kernel says of it.

Both echo examples print `listening on HOST:PORT` once they serve, so `Server` waits for that line. A program that
prints no such line is given its port, and is ready when the port accepts a connection (`ready="connect"`).
"""

import asyncio
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
C_ECHO = ["build/examples/echo", "{port}"]
PHP_ECHO = ["php", "php-ext/examples/echo.php", "{port}"]

START_DEADLINE = 20.0
STOP_DEADLINE = 15.0
LISTENING = re.compile(r"listening on \S*:(\d+)")


class Server:
    """`command` with `{port}` in it where the port goes. Use as a context manager, or `start` and `stop`."""

    def __init__(self, command, ready="line", port=0):
        self.command = command
        self.ready = ready
        self.port = port
        self.process = None
        self._lines = []
        self._changed = threading.Condition()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def output(self):
        with self._changed:
            return "".join(self._lines)

    def start(self):
        """Starts the process; a server started before takes its old port again."""
        if self.ready == "connect":
            self.pick_port()
        argv = [word.replace("{port}", str(self.port)) for word in self.command]
        self._lines = []
        # A process group of its own: `kill` ends workers along with their master.
        self.process = subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_output, args=(self.process,), daemon=True)
        self._reader.start()
        try:
            if self.ready == "line":
                self.port = int(self.wait_for_output(LISTENING, START_DEADLINE).group(1))
            else:
                self._wait_for_connect()
        except Exception:
            self.kill()
            raise
        return self

    def pick_port(self):
        """Chooses a free port now, for a program that cannot tell which one it took."""
        if not self.port:
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 0))
                self.port = sock.getsockname()[1]

    def stop(self):
        """SIGTERM, and the exit status the server then ends with."""
        self.process.terminate()
        return self.process.wait(STOP_DEADLINE)

    def kill(self):
        """kill -9 for the process and its children, if it was started."""
        if not self.process:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(STOP_DEADLINE)
        # Its output ends when the last child is gone, too.
        self._reader.join(STOP_DEADLINE)

    def alive(self):
        return self.process.poll() is None

    def wait_for_output(self, pattern, deadline=10.0):
        """Waits until what the process printed matches `pattern`, and returns the match."""
        pattern = re.compile(pattern)
        end = time.monotonic() + deadline
        with self._changed:
            while not (match := pattern.search("".join(self._lines))):
                left = end - time.monotonic()
                # None is the end of the output.
                if left <= 0 or (self._lines and self._lines[-1] == ""):
                    raise AssertionError(
                        f"{' '.join(self.command)}: waited for {pattern.pattern!r} on its output, got:\n"
                        + "".join(self._lines)
                    )
                self._changed.wait(left)
        return match

    def _read_output(self, process):
        for line in process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._lines.append("")
            self._changed.notify_all()

    def _wait_for_connect(self):
        end = time.monotonic() + START_DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end or not self.alive():
                    raise AssertionError(f"{' '.join(self.command)}: no listener\n{self.output}") from None
                time.sleep(0.02)

    def resident_bytes(self):
        """The memory the process holds (VmRSS)."""
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(f"process {self.pid} has no VmRSS: has it ended?")

    def cpu_seconds(self):
        """The processor time the process has used, all threads, user and system."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class ServerCase(unittest.IsolatedAsyncioTestCase):
    """A test case about the server that `command` starts."""

    command = None

    async def asyncSetUp(self):
        # unittest turns asyncio's debugging on, which slows the clients down and prints every slow step.
        asyncio.get_running_loop().set_debug(False)


class SharedServerCase(ServerCase):
    """A case whose tests share one server, which must outlive them all."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.command).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()

    def tearDown(self):
        self.assertTrue(self.server.alive(), f"the server ended; it printed:\n{self.server.output}")
