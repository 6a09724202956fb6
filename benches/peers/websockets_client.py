"""`websockets` of PyPI as a client, on uvloop: websockets_client.py PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS"""
import asyncio

import uvloop
from counting import task_of_arguments
from websockets.asyncio.client import connect


async def echo(task, connection):
    for _ in range(task.in_flight):
        await connection.send(task.payload, text=True)
    while True:
        message = await connection.recv(decode=False)
        if len(message) != len(task.payload):
            raise ValueError(f"an answer of {len(message)} bytes")
        task.messages += 1
        await connection.send(task.payload, text=True)


async def main(task):
    options = {"compression": None, "max_size": 64 * 2**20, "ping_interval": None, "proxy": None}
    connections = [await connect(task.url, **options) for _ in range(task.connections)]
    echoes = [asyncio.create_task(echo(task, connection)) for connection in connections]
    measured = asyncio.create_task(task.measure())
    done, _ = await asyncio.wait([measured, *echoes], return_when=asyncio.FIRST_COMPLETED)
    done.pop().result()  # an echo ends with an exception only


uvloop.run(main(task_of_arguments()))
