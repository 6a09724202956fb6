"""Clients that misbehave cost the server bounded memory and nobody else anything.

Black-box, against both echo examples with the options they come with. After each abuse a well-behaved client of PyPI's
`websockets` still gets its echo, from the same process.
"""

import asyncio
import contextlib
import os
import statistics
import time

from raw import (
    PING, TEXT, connect as connect_raw, frame, read_to_end, reset, send_until_stuck, upgrade, upgrade_request,
)
from server import C_ECHO, PHP_ECHO, SharedServerCase
from websockets.asyncio.client import connect

MIB = 1 << 20

# The default request_timeout, and how coarse a timer may be.
REQUEST_DEADLINE = (9.0, 13.0)


class AbuseTests:
    memory_bound = None

    async def asyncSetUp(self):
        await super().asyncSetUp()
        await self.assert_serves()
        self.resident_before = self.server.resident_bytes()

    async def asyncTearDown(self):
        await self.assert_serves()

    async def assert_serves(self):
        async with connect(self.server.url, proxy=None, open_timeout=5) as client:
            await client.send("still there?")
            self.assertEqual(await asyncio.wait_for(client.recv(), 5), "still there?")

    def memory_growth(self):
        return self.server.resident_bytes() - self.resident_before

    @contextlib.asynccontextmanager
    async def watching_another_client(self):
        """Another client's round trips go on meanwhile and stay fast, and the server's memory stays bounded."""
        times, peak = [], [0]

        async def round_trips():
            async with connect(self.server.url, proxy=None) as client:
                while True:
                    started = time.monotonic()
                    await client.send("x" * 100)
                    await client.recv()
                    times.append(time.monotonic() - started)
                    if len(times) % 20 == 0:
                        peak[0] = max(peak[0], self.memory_growth())
                    await asyncio.sleep(0.001)

        task = asyncio.create_task(round_trips())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.assertGreater(len(times), 10, "the other client hardly got an answer")
        # Generous: the machine may be busy. A server that waits for a slow client would show seconds.
        self.assertLess(statistics.median(times), 0.05)
        self.assertLess(max(times), 2.0)
        peak = max(peak[0], self.memory_growth())
        print(f"[memory {peak / MIB:+.1f} MiB; another's round trip {1000 * statistics.median(times):.1f} ms]", end=" ")
        self.assertLess(peak, self.memory_bound, f"memory grew by {peak / MIB:.1f} MiB")

    async def test_a_client_that_sends_and_never_reads(self):
        for length in (100, 64 * 1024):
            message = frame(TEXT, b"z" * length)
            chunk = message * max(1, 64 * 1024 // len(message))
            with self.subTest(length=length):
                async with self.watching_another_client():
                    with await upgrade(self.server.port, receive_buffer=4096) as sock:
                        sent, ending = await send_until_stuck(sock, chunk, 256 * MIB, patience=3)
                # 256 MiB were neither kept nor sent back, so the client must have been stopped or cut.
                print(f"{ending} after {sent / MIB:.1f} MiB;", end=" ")
                self.assertIn(ending, ("stuck", "closed"))

    async def test_a_flood_of_pings_whose_pongs_nobody_reads(self):
        pings, batch = 200_000, 500
        chunk = frame(PING, bytes(125)) * batch
        async with self.watching_another_client():
            with await upgrade(self.server.port, receive_buffer=4096) as sock:
                sent, ending = await send_until_stuck(sock, chunk, len(chunk) * (pings // batch), patience=3)
        print(f"{ending} after {sent / MIB:.1f} MiB", end=" ")

    async def test_300_connections_reset_in_a_row(self):
        before = self.server.descriptors()
        for number in range(300):
            if number % 3 == 0:  # before the upgrade, within it, or with an echo under way
                sock = await connect_raw(self.server.port)
            elif number % 3 == 1:
                sock = await connect_raw(self.server.port)
                sock.send(upgrade_request(self.server.port)[:40])
            else:
                sock = await upgrade(self.server.port)
                sock.send(frame(TEXT, b"nobody will read this" * 100))
            reset(sock)
        await self.assert_descriptors_return_to(before)

    async def test_half_a_frame_then_reset(self):
        before = self.server.descriptors()
        message = frame(TEXT, b"x" * 70000)
        for cut in [1, 2, 5, 9, 10, 14, 100, 65536, len(message) - 1] * 5:
            sock = await upgrade(self.server.port)
            await asyncio.get_running_loop().sock_sendall(sock, message[:cut])
            reset(sock)
        await self.assert_descriptors_return_to(before)

    async def test_half_requests_are_cut_by_the_request_deadline(self):
        request = upgrade_request(self.server.port)
        before = self.server.descriptors()

        async def half(length, drip):
            """Sends part of a request, and then nothing, or a byte now and then, which buys no time."""
            loop = asyncio.get_running_loop()
            started = time.monotonic()
            with await connect_raw(self.server.port) as sock:
                await loop.sock_sendall(sock, request[:length])
                end = asyncio.create_task(read_to_end(sock))
                while drip and length < len(request) - 1 and not end.done():
                    await asyncio.wait([end], timeout=0.3)
                    with contextlib.suppress(ConnectionError):
                        await loop.sock_sendall(sock, request[length : length + 1])
                    length += 1
                received = await asyncio.wait_for(end, 30)
            return time.monotonic() - started, received

        clients = [half(length=number % 50 * 2, drip=number >= 50) for number in range(60)]
        async with self.watching_another_client():
            for lasted, received in await asyncio.gather(*clients):
                self.assertGreater(lasted, REQUEST_DEADLINE[0])
                self.assertLess(lasted, REQUEST_DEADLINE[1])
                self.assertRegex(received, rb"\A(HTTP/1\.1 408 |\Z)")
        await self.assert_descriptors_return_to(before)

    async def test_what_is_no_upgrade_request_is_refused_at_once(self):
        host = f"Host: 127.0.0.1:{self.server.port}\r\n".encode()
        openings = {
            "a TLS hello": bytes.fromhex("16030100c8010000c40303") + os.urandom(190),
            "random bytes": b"\xff\x00\xfe" + os.urandom(500) + b"\r\n\r\n",
            "zeros": bytes(4096),
            "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "no Host": b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "a space before the colon": b"GET / HTTP/1.1\r\n" + host + b"Upgrade : websocket\r\n\r\n",
            "no colon": b"GET / HTTP/1.1\r\n" + host + b"Upgrade websocket\r\n\r\n",
            "no end": b"GET /" + b"a" * 1_000_000,
        }
        for name, opening in openings.items():
            with self.subTest(opening=name):
                with await connect_raw(self.server.port) as sock:
                    with contextlib.suppress(ConnectionError):
                        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(sock, opening), 5)
                    received = await asyncio.wait_for(read_to_end(sock), 5)
                if name != "no end":  # there a reset may overtake the answer
                    self.assertRegex(received, rb"\AHTTP/1\.1 (4\d\d|505) ")
                self.assertNotIn(b" 101 ", received)
        with await connect_raw(self.server.port) as sock:
            await asyncio.get_running_loop().sock_sendall(sock, openings["a TLS hello"])
            self.assertRegex(await asyncio.wait_for(read_to_end(sock), 5), rb"\AHTTP/1\.1 400 ")

    async def assert_descriptors_return_to(self, count):
        """The server learns of each reset by itself, a moment later."""
        end = time.monotonic() + 10
        while (now := self.server.descriptors()) > count:
            self.assertLess(time.monotonic(), end, f"{now} descriptors are open, {count} were before")
            await asyncio.sleep(0.02)


# The engine may keep 8 MiB for one connection (max_queued_bytes). In poll mode, 4 MiB of events wait besides
# (max_event_bytes), and PHP has its own copy of what it works on.


class CAbuse(AbuseTests, SharedServerCase):
    command = C_ECHO
    memory_bound = 12 * MIB


class PhpAbuse(AbuseTests, SharedServerCase):
    command = PHP_ECHO
    memory_bound = 24 * MIB
