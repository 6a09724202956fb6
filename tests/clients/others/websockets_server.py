"""`websockets` of PyPI, as test_client wants a server: echoes, but for the words "fragments", "ping" and "close"."""

import asyncio

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def serve_one(connection):
    try:
        async for message in connection:
            if message == "fragments":
                await connection.send(["Hel", "", "lo, ", "w\u00f6rld"])
                await connection.send([b"\x00", b"\xff" * 70000, b"", b"\x01"])
            elif message == "ping":
                await (await connection.ping(b"are you there?"))  # the pong
                await connection.send("pong")
            elif message == "close":
                await connection.close(4001, "as you wish")
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass


async def main():
    async with serve(serve_one, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
        print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


asyncio.run(main())
