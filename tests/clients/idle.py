#!/usr/bin/env python3
"""Holds idle connections to a server, and measures what they cost it.

    tests/clients/idle.py [CONNECTIONS [SECONDS [COMMAND...]]]      10000, 10 and the C echo, when not given

    tests/clients/idle.py 10000 10 build/examples/echo {port}
    tests/clients/idle.py 10000 10 php php-ext/examples/echo.php {port}

Printed are the server's memory (VmRSS) before and with the connections, the difference for each of them, and the
processor time the server used while they idled. Memory in the kernel's socket buffers is in none of these figures. Needs
two file descriptors per connection, one in each process.
"""

import asyncio
import os
import resource
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from raw import PING, PONG, TEXT, frame, upgrade_request  # noqa: E402
from server import C_ECHO, Server  # noqa: E402


class IdleClient(asyncio.Protocol):
    """A client that upgrades, answers pings, and else says nothing unless `echo` asks it to."""

    def __init__(self, port):
        self.request = upgrade_request(port)
        self.upgraded = False
        self.received = b""
        self.waiter = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.request)

    def connection_lost(self, error):
        if not self.waiter.done():
            self.waiter.set_exception(error or ConnectionError("closed by the server"))

    def data_received(self, data):
        self.received += data
        if not self.upgraded:
            if b"\r\n\r\n" not in self.received:
                return
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101 "):
                return self.transport.abort()
            self.upgraded = True
            self.waiter.set_result(None)
        while len(self.received) >= 2 and len(self.received) >= 2 + self.received[1]:
            end = 2 + self.received[1]  # no frame of this conversation is longer than 125 bytes
            opcode, payload, self.received = self.received[0] & 15, self.received[2:end], self.received[end:]
            if opcode == PING:
                self.transport.write(frame(PONG, payload))
            elif opcode == TEXT:
                self.waiter.set_result(payload)

    async def echo(self, payload):
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(frame(TEXT, payload))
        return await asyncio.wait_for(self.waiter, 30)


async def hold(server, connections, seconds):
    """Opens the connections, lets them idle, then has each of them echo; returns the figures as a dictionary."""
    loop = asyncio.get_running_loop()
    clients = []

    async def open_some(count):
        for _ in range(count):
            _, client = await loop.create_connection(lambda: IdleClient(server.port), "127.0.0.1", server.port)
            await asyncio.wait_for(client.waiter, 30)
            clients.append(client)

    async def echo_some(some):
        return sum([await client.echo(b"awake?") == b"awake?" for client in some])

    # What the first connections make the server set up once is not the price of each.
    await open_some(10)
    resident_before = server.resident_bytes()
    started = time.monotonic()
    openers = 50
    shares = [(connections - 10) // openers + (number < (connections - 10) % openers) for number in range(openers)]
    await asyncio.gather(*(open_some(share) for share in shares))
    opened = time.monotonic() - started

    resident_after = server.resident_bytes()
    cpu, started = server.cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, idled = server.cpu_seconds() - cpu, time.monotonic() - started

    answered = sum(await asyncio.gather(*(echo_some(clients[first::50]) for first in range(50))))
    for client in clients:
        client.transport.abort()
    return {
        "connections": len(clients),
        "connections/s while opening": round((len(clients) - 10) / opened),
        "memory before, KiB": resident_before // 1024,
        "memory with them, KiB": resident_after // 1024,
        "bytes per connection": round((resident_after - resident_before) / (len(clients) - 10)),
        "processor time while idle, % of a core": round(100 * cpu / idled, 2),
        "answered an echo afterwards": answered,
    }


def allow_descriptors(count):
    """Raises this process's limit as far as it needs and may; servers it starts inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard))


def main(connections=10000, seconds=10.0, *command):
    allow_descriptors(int(connections) + 200)
    with Server(list(command) or C_ECHO) as server:
        for name, figure in asyncio.run(hold(server, int(connections), float(seconds))).items():
            print(f"{figure:>10}  {name}")


if __name__ == "__main__":
    if set(sys.argv) & {"-h", "--help"}:
        sys.exit(__doc__)
    main(*sys.argv[1:])
