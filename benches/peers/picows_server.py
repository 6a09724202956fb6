"""`picows` of PyPI, its core API: picows_server.py PORT echo|broadcast"""
import asyncio
import sys

from picows import WSListener, WSMsgType, ws_create_server

everyone = set()


class Echo(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            self.on_data(transport, frame)

    def on_data(self, transport, frame):
        transport.send(frame.msg_type, frame.get_payload_as_memoryview(), frame.fin)


class Broadcast(Echo):
    def on_ws_connected(self, transport):
        everyone.add(transport)

    def on_ws_disconnected(self, transport):
        everyone.discard(transport)

    def on_data(self, transport, frame):
        message = frame.get_payload_as_bytes()
        for receiver in everyone:
            receiver.send(frame.msg_type, message, frame.fin)


async def main(port, mode):
    listener = Broadcast if mode == "broadcast" else Echo
    server = await ws_create_server(lambda request: listener(), "127.0.0.1", port, max_frame_size=64 * 2**20, backlog=4096)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
