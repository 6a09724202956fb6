"""The webhook example in C: what is posted with Python's HTTP client reaches the WebSockets of that path."""

import asyncio
import http.client
import unittest

from server import Server, ServerCase
from websockets.asyncio.client import connect


class WebhookTest(ServerCase):
    def post(self, path, body, method="POST", connection=None):
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()

    async def test_what_is_posted_reaches_those_who_watch(self):
        with Server(["build/examples/webhook", "{port}"]) as self.server:
            url = self.server.url
            async with connect(f"{url}shop", proxy=None) as one, connect(f"{url}shop?x", proxy=None) as two:
                async with connect(f"{url}other", proxy=None) as other:
                    self.assertEqual(self.post("/shop", "paid: 7 \u20ac".encode()), (200, b"2\n"))
                    self.assertEqual(await asyncio.wait_for(one.recv(), 10), "paid: 7 \u20ac")
                    self.assertEqual(await asyncio.wait_for(two.recv(), 10), "paid: 7 \u20ac")
                    chunks = iter([b"in ", b"chunks"])
                    self.assertEqual(self.post("/other", chunks), (200, b"1\n"))
                    self.assertEqual(await asyncio.wait_for(other.recv(), 10), "in chunks")
                self.assertEqual(self.post("/nobody", b"hello?"), (200, b"0\n"))
                self.assertEqual(self.post("/shop", b"\xff")[0], 400)
                self.assertEqual(self.post("/shop", None, "GET")[0], 405)

    async def test_one_connection_serves_many_posts(self):
        with Server(["build/examples/webhook", "{port}"]) as self.server:
            async with connect(f"{self.server.url}feed", proxy=None) as client:
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
                for number in range(100):
                    self.assertEqual(self.post("/feed", b"%d" % number, connection=connection), (200, b"1\n"))
                for number in range(100):
                    self.assertEqual(await asyncio.wait_for(client.recv(), 10), str(number))


if __name__ == "__main__":
    unittest.main()
