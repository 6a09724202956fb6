"""`socketify` of PyPI, which has uWebSockets inside: socketify_server.py PORT echo|broadcast"""
import sys

from socketify import App, CompressOptions

port, mode = int(sys.argv[1]), sys.argv[2]
app = App()


def to_sender(connection, message, opcode):
    connection.send(message, opcode)


def to_all(connection, message, opcode):
    app.publish("all", message, opcode)


app.ws("/*", {
    "compression": CompressOptions.DISABLED,
    "max_payload_length": 64 * 2**20,
    "max_backpressure": 64 * 2**20,
    "open": lambda connection: connection.subscribe("all") if mode == "broadcast" else None,
    "message": to_all if mode == "broadcast" else to_sender,
})
app.listen({"port": port, "host": "127.0.0.1"}, lambda config: print(f"listening on 127.0.0.1:{config.port}", flush=True))
app.run()
