"""The server programs people already have, in Swoole's API and in Workerman's, as they stand.

Each runs from a copy in which only the port is another one, so that the test needs no fixed port.
"""

import asyncio
import os
import re
import signal
import tempfile
import time

import websockets
from server import ROOT, Server, ServerCase
from websockets.asyncio.client import connect

SWOOLE = r"""
$ws = new Swoole\WebSocket\Server('0.0.0.0', 9502);
$ws->on('open', function ($ws, $request) {
    var_dump($request->fd, $request->server);
    $ws->push($request->fd, "hello, welcome\n");
});
$ws->on('message', function ($ws, $frame) {
    echo "Message: {$frame->data}\n";
    $ws->push($frame->fd, "server: {$frame->data}");
});
$ws->on('close', function ($ws, $fd) { echo "client-{$fd} is closed\n"; });
$ws->start();
"""

WORKERMAN = r"""
use Workerman\Worker;
$ws_worker = new Worker("websocket://0.0.0.0:2000");
$ws_worker->count = 4;
$ws_worker->onMessage = function($connection, $data) {
    $connection->send('hello ' . $data);
};
Worker::runAll();
"""


class ProgramCase(ServerCase):
    """A program of php-ext/examples on a port of its own."""

    def program(self, name, port, *arguments):
        """A server that runs the example `name`, whose text says `port`, on a free port."""
        directory = os.path.join(ROOT, "php-ext", "examples")
        with open(os.path.join(directory, name)) as file:
            self.source = file.read()
        copy = tempfile.NamedTemporaryFile("w", suffix=f"-{name}", delete=False)
        self.addCleanup(os.unlink, copy.name)
        server = Server(["php", copy.name, *arguments], ready="connect")
        server.pick_port()
        self.assertEqual(self.source.count(port), 1)
        with copy as file:
            file.write(self.source.replace(port, str(server.port)).replace("__DIR__", repr(directory)))
        self.addCleanup(server.kill)
        return server

    def assert_program(self, text):
        """The example is `text`, byte for byte, but for the opening tag, comments and one line that loads wspush."""
        rest = self.source.replace("\r\n", "\n").replace(text.strip(), "", 1)
        self.assertNotEqual(rest, self.source, "the example is not the program it stands for")
        rest = re.sub(r"<\?php|^\s*(//|#|/?\*).*$", "", rest, flags=re.MULTILINE).split("\n")
        self.assertEqual(len([line for line in rest if line.strip()]), 1, rest)


class SwooleProgram(ProgramCase):
    def setUp(self):
        self.server = self.program("swoole-server.php", "9502")

    def test_it_is_the_program_as_it_stands(self):
        self.assert_program(SWOOLE)

    async def talk(self):
        async with connect(self.server.url, proxy=None) as client:
            self.assertEqual(await client.recv(), "hello, welcome\n")
            await client.send("good morning")
            self.assertEqual(await client.recv(), "server: good morning")

    async def test_it_greets_answers_and_prints(self):
        self.server.start()
        await self.talk()
        self.server.wait_for_output(r"Message: good morning\n")
        self.server.wait_for_output(r"client-\d+ is closed\n")

    async def test_kill_9_and_an_immediate_start(self):
        self.server.start()
        for _ in range(3):
            async with connect(self.server.url, proxy=None) as client:
                await client.recv()
                self.server.kill()
                self.server.start()
            await self.talk()

    async def test_sigterm_says_goodbye(self):
        self.server.start()
        async with connect(self.server.url, proxy=None) as client:
            await client.recv()
            await asyncio.to_thread(self.server.stop)
            with self.assertRaises(websockets.ConnectionClosed):
                await client.recv()
            self.assertEqual(client.protocol.close_rcvd.code, 1001)


class WorkermanProgram(ProgramCase):
    def setUp(self):
        self.server = self.program("workerman-hello.php", "2000", "start")

    def test_it_is_the_program_as_it_stands(self):
        self.assert_program(WORKERMAN)

    def workers(self):
        with open(f"/proc/{self.server.pid}/task/{self.server.pid}/children") as file:
            return {int(pid) for pid in file.read().split()}

    async def until(self, condition, what, deadline=15.0):
        end = time.monotonic() + deadline
        while not condition():
            self.assertLess(time.monotonic(), end, f"{what}; the program printed:\n{self.server.output}")
            await asyncio.sleep(0.02)

    async def talk(self):
        async with connect(self.server.url, proxy=None) as client:
            for name in ("tom", "", "\u00e4" * 1000):
                await client.send(name)
                self.assertEqual(await client.recv(), "hello " + name)

    async def test_four_workers_share_the_port(self):
        self.server.start()
        await self.until(lambda: len(self.workers()) == 4, "four workers were asked for")
        await asyncio.gather(*(self.talk() for _ in range(40)))

    async def test_a_worker_that_dies_is_replaced(self):
        self.server.start()
        await self.until(lambda: len(self.workers()) == 4, "four workers were asked for")
        before = self.workers()
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        await self.until(lambda: len(self.workers() - {victim}) == 4, "the worker was not replaced")
        await asyncio.gather(*(self.talk() for _ in range(20)))

    async def test_kill_9_and_an_immediate_start(self):
        self.server.start()
        for _ in range(3):
            await self.talk()
            self.server.kill()
            self.server.start()
        await self.talk()

    async def test_sigterm_stops_every_worker_and_says_goodbye(self):
        self.server.start()
        await self.until(lambda: len(self.workers()) == 4, "four workers were asked for")
        workers = self.workers()
        clients = [await connect(self.server.url, proxy=None) for _ in range(8)]
        await asyncio.to_thread(self.server.stop)
        for client in clients:
            with self.assertRaises(websockets.ConnectionClosed):
                await asyncio.wait_for(client.recv(), 10)
            self.assertEqual(client.protocol.close_rcvd.code, 1001)
        await self.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "a worker stayed")
