"""`websockets` of PyPI: websockets_server.py PORT echo|broadcast"""
import asyncio
import sys

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed


async def to_sender(connection):
    async for message in connection:
        await connection.send(message)


async def to_all(connection):
    async for message in connection:
        broadcast(connection.server.connections, message)


async def main(port, mode):
    async def handler(connection):
        try:
            await (to_all if mode == "broadcast" else to_sender)(connection)
        except ConnectionClosed:
            pass  # a load generator says no goodbye

    async with serve(handler, "127.0.0.1", port, compression=None, max_size=64 * 2**20, backlog=4096) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
