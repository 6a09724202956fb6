"""The client of PyPI's `websockets` as run-client wants one: websockets_agent.py URL AGENT [CASES]

It is there to show that the runner runs, and what a client gets that is not ours. With CASES it leaves after so many.
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def echo(url):
    async with connect(url, max_size=None, compression=None, ping_interval=None, proxy=None) as client:
        try:
            async for message in client:
                await client.send(message)
        except ConnectionClosed:
            pass


async def main(url, agent, most=None):
    async with connect(f"{url}/getCaseCount", proxy=None) as client:
        count = int(await client.recv())
    for case in range(1, min(count, int(most or count)) + 1):
        await echo(f"{url}/runCase?case={case}&agent={agent}")
    await echo(f"{url}/updateReports?agent={agent}")


asyncio.run(main(*sys.argv[1:]))
