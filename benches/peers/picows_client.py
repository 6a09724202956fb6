"""`picows` of PyPI as a client, its core API, on uvloop: picows_client.py PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS"""
import os
import sys

import uvloop
from counting import task_of_arguments
from picows import WSListener, WSMsgType, ws_connect

task = task_of_arguments()


class Client(WSListener):
    def on_ws_connected(self, transport):
        for _ in range(task.in_flight):
            transport.send(WSMsgType.TEXT, task.payload)

    def on_ws_frame(self, transport, frame):
        if frame.payload_size != len(task.payload):
            fail(f"an answer of {frame.payload_size} bytes")
        task.messages += 1
        transport.send(WSMsgType.TEXT, task.payload)

    def on_ws_disconnected(self, transport):
        fail("the server hung up")


def fail(text):
    """An exception in a listener would end its connection only."""
    print(text, file=sys.stderr, flush=True)
    os._exit(1)


async def main():
    for _ in range(task.connections):
        await ws_connect(Client, task.url, max_frame_size=64 * 2**20)
    await task.measure()
    sys.stdout.flush()
    os._exit(0)  # without a goodbye, which would count as a failure


uvloop.run(main())
