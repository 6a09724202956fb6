"""A host in Python, by ctypes, that ends while its servers and clients run: the interpreter ends foreign threads that ask for
its lock, in the middle of a callback, and the process ends with the status that it was to end with."""

import os
import subprocess
import sys
import textwrap
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

HOST = """
    import ctypes, os, socket, sys, threading
    ws = ctypes.CDLL(os.path.join(sys.argv[1], "build/lib/libwspush.so"))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    ws.ws_server_new.restype = ws.ws_client_new.restype = pointer
    ws.ws_last_error.restype = ctypes.c_char_p
    ON_MESSAGE = ctypes.CFUNCTYPE(None, pointer, ctypes.c_uint64, pointer, ctypes.c_size_t, number, pointer)
    ON_CLIENT_MESSAGE = ctypes.CFUNCTYPE(None, pointer, pointer, ctypes.c_size_t, number, pointer)

    def check(status):
        assert status >= 0, ws.ws_last_error()
        return status

    busy = threading.Event()

    @ON_MESSAGE
    def echo(server, conn, data, length, opcode, user_data):
        ws.ws_push(pointer(server), ctypes.c_uint64(conn), pointer(data), ctypes.c_size_t(length), opcode)

    @ON_CLIENT_MESSAGE
    def again(client, data, length, opcode, user_data):
        ws.ws_client_push(pointer(client), pointer(data), ctypes.c_size_t(length), opcode)
        busy.set()

    for callback in (echo, again):  # which the interpreter would free at its end, while the engine calls them
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(callback))

    server = pointer(ws.ws_server_new())
    check(ws.ws_server_on_message(server, echo, None))
    check(ws.ws_server_listen(server, b"127.0.0.1", 0))
    check(ws.ws_server_start(server))
    port = check(ws.ws_server_port(server, 0))
"""

# Messages go to and fro between callbacks without end when the interpreter comes to its own.
BUSY = """
    clients = []
    for _ in range(4):
        client = pointer(ws.ws_client_new(b"ws://127.0.0.1:%d/" % port))
        check(ws.ws_client_set(client, b"max_offline_bytes", b"1K"))
        check(ws.ws_client_on_message(client, again, None))
        check(ws.ws_client_start(client))
        check(ws.ws_client_push(client, b"to and fro", ctypes.c_size_t(10), 1))
        clients.append(client)
    assert busy.wait(30)
"""


class HostExit(unittest.TestCase):
    def run_host(self, *parts, times=1):
        program = "\n".join(textwrap.dedent(part) for part in (HOST, *parts))
        for _ in range(times):
            run = subprocess.run(
                [sys.executable, "-c", program, ROOT], capture_output=True, text=True, timeout=60, check=False
            )
            self.assertEqual((run.returncode, run.stdout, run.stderr), (7, "bye\n", ""))

    def test_a_server_that_was_not_freed(self):
        self.run_host("print('bye'); sys.exit(7)")

    def test_while_callbacks_run(self):
        self.run_host(BUSY, "print('bye'); sys.exit(7)", times=10)

    def test_what_is_stopped_before_ends_as_ever(self):
        self.run_host(BUSY, "for client in clients: check(ws.ws_client_free(client))",
                      "check(ws.ws_server_free(server)); print('bye'); sys.exit(7)")


if __name__ == "__main__":
    unittest.main()
