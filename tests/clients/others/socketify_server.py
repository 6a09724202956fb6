"""`socketify` of PyPI, as test_client wants a server: echoes, but for the words "fragments", "ping" and "close"."""

from socketify import App, CompressOptions, OpCode


def on_message(connection, message, opcode):
    if message == "fragments":
        connection.send_first_fragment("Hel", OpCode.TEXT)
        connection.send_fragment("")
        connection.send_fragment("lo, ")
        connection.send_last_fragment("w\u00f6rld")
        connection.send_first_fragment(b"\x00", OpCode.BINARY)
        connection.send_fragment(b"\xff" * 70000)
        connection.send_last_fragment(b"\x01")
    elif message == "ping":
        connection.send(b"are you there?", OpCode.PING)
    elif message == "close":
        connection.end(4001, "as you wish")
    else:
        connection.send(message, opcode)


app = App()
app.ws("/*", {
    "compression": CompressOptions.SHARED_COMPRESSOR,
    "max_payload_length": 64 * 2**20,
    "max_backpressure": 64 * 2**20,
    "message": on_message,
    "pong": lambda connection, data: connection.send("pong", OpCode.TEXT),
})
app.listen({"port": 0, "host": "127.0.0.1"}, lambda config: print(f"listening on 127.0.0.1:{config.port}", flush=True))
app.run()
