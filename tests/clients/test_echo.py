"""The echo examples, in C and in PHP, as the client of PyPI's `websockets` sees them."""

import asyncio

import websockets
from server import C_ECHO, PHP_ECHO, Server, ServerCase, SharedServerCase
from websockets.asyncio.client import connect

MIB = 1 << 20
LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, MIB, 16 * MIB]


class EchoTests:
    """What every echo server must do; the classes at the end say which server."""

    def client(self, **options):
        return connect(self.server.url, max_size=64 * MIB, proxy=None, **options)

    async def test_text_of_every_length_form(self):
        async with self.client() as client:
            for length in LENGTHS:
                sent = ("h\u00e9llo \U0001f44b " * (length // 8 + 1))[:length]
                await client.send(sent)
                self.assertTrue(await client.recv() == sent, f"text of {length} characters came back changed")

    async def test_binary_of_every_length_form(self):
        async with self.client() as client:
            for length in LENGTHS:
                sent = bytes(range(256)) * (length // 256) + bytes(range(length % 256))
                await client.send(sent)
                self.assertTrue(await client.recv() == sent, f"binary of {length} bytes came back changed")

    async def test_64_mib(self):
        async with self.client() as client:
            sent = bytes(64 * MIB)
            await client.send(sent)
            self.assertTrue(await client.recv() == sent)

    async def test_fragments_are_one_message(self):
        async with self.client() as client:
            await client.send(["Hel", "", "lo, ", "w\u00f6rld"])
            self.assertEqual(await client.recv(), "Hello, w\u00f6rld")
            await client.send([b"\x00", b"\xff" * 70000, b"", b"\x01"])
            self.assertEqual(await client.recv(), b"\x00" + b"\xff" * 70000 + b"\x01")

    async def test_a_ping_between_fragments_is_answered_at_once(self):
        async with self.client() as client:

            async def fragments():
                yield "before, "
                pong = await client.ping(b"in between")
                await asyncio.wait_for(pong, 10)
                yield "after"

            await client.send(fragments())
            self.assertEqual(await client.recv(), "before, after")

    async def test_pings_come_back_with_their_payload(self):
        async with self.client() as client:
            for payload in (b"", b"1", bytes(range(125))):
                # The waiter ends only on a pong with this very payload.
                await asyncio.wait_for(await client.ping(payload), 10)

    async def test_an_unasked_pong_is_ignored(self):
        async with self.client() as client:
            await client.pong(b"nobody asked")
            await client.send("still here")
            self.assertEqual(await client.recv(), "still here")

    async def test_the_close_code_and_reason_come_back(self):
        cases = [(1000, ""), (1000, "bye"), (1001, "leaving"), (3000, "z" * 123), (4999, "gr\u00fc\u00dfe")]
        for code, reason in cases:
            with self.subTest(code=code, reason=reason):
                async with self.client() as client:
                    await client.close(code, reason)
                    self.assertEqual(client.close_code, code)
                    self.assertEqual(client.protocol.close_rcvd.code, code)

    async def test_messages_before_a_close_are_answered(self):
        async with self.client() as client:
            for number in range(100):
                await client.send(f"message {number}")
            for number in range(100):
                self.assertEqual(await client.recv(), f"message {number}")
            await client.close()

    async def test_an_offered_subprotocol_is_not_chosen(self):
        async with self.client(subprotocols=["chat", "superchat"]) as client:
            self.assertIsNone(client.subprotocol)
            await client.send("hello")
            self.assertEqual(await client.recv(), "hello")

    async def test_a_long_upgrade_request(self):
        headers = {f"X-Header-{number}": "v" * 100 for number in range(30)}
        headers["Cookie"] = "session=" + "c" * 2000
        async with self.client(additional_headers=headers) as client:
            await client.send("hello")
            self.assertEqual(await client.recv(), "hello")

    async def test_many_connections_keep_their_order(self):
        connections, messages = 50, 200

        async def talk(name):
            async with self.client() as client:

                async def send_all():
                    for number in range(messages):
                        await client.send(f"{name}:{number}:" + "x" * (number * 37 % 4000))

                sender = asyncio.create_task(send_all())
                for number in range(messages):
                    received = await client.recv()
                    self.assertEqual(received.split(":")[:2], [str(name), str(number)])
                await sender

        await asyncio.wait_for(asyncio.gather(*(talk(name) for name in range(connections))), 60)


class RestartTests:
    """The end of an echo server, and its next start on the same port."""

    async def test_sigterm_closes_with_1001_and_ends_cleanly(self):
        with Server(self.command) as server:
            async with connect(server.url, proxy=None) as client:
                await client.send("hello")
                await client.recv()
                status = await asyncio.to_thread(server.stop)
                with self.assertRaises(websockets.ConnectionClosed):
                    await asyncio.wait_for(client.recv(), 10)
                self.assertEqual(client.protocol.close_rcvd.code, 1001)
            self.assertEqual(status, 0, server.output)

    async def test_kill_9_and_an_immediate_start_on_the_same_port(self):
        with Server(self.command) as server:
            port = server.port
            for _ in range(5):
                clients = [await connect(server.url, proxy=None) for _ in range(10)]
                for client in clients:
                    await client.send("hello")
                    self.assertEqual(await client.recv(), "hello")
                server.kill()
                server.start()
                self.assertEqual(server.port, port)
                for client in clients:
                    with self.assertRaises(websockets.ConnectionClosed):
                        await asyncio.wait_for(client.recv(), 10)
                    self.assertEqual(client.close_code, 1006)


class CEcho(EchoTests, SharedServerCase):
    command = C_ECHO


class PhpEcho(EchoTests, SharedServerCase):
    command = PHP_ECHO


class CRestart(RestartTests, ServerCase):
    command = C_ECHO


class PhpRestart(RestartTests, ServerCase):
    command = PHP_ECHO
