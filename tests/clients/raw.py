"""Just enough WebSocket on a bare socket to misbehave with: what a library's client would never send."""

import asyncio
import socket
import struct

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def upgrade_request(port):
    return (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frame(opcode, payload=b"", final=True):
    """A client's frame. The masking key is zero, which RFC 6455 allows, so the payload stands in it as it is."""
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", len(payload))
    return head + bytes(4) + payload


def new_socket(receive_buffer=None):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    return sock


async def connect(port, receive_buffer=None):
    sock = new_socket(receive_buffer)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def upgrade(port, receive_buffer=None):
    """A socket on which the upgrade is done."""
    loop = asyncio.get_running_loop()
    sock = await connect(port, receive_buffer)
    await loop.sock_sendall(sock, upgrade_request(port))
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(sock, 1)
        if not data:
            raise ConnectionError(f"no upgrade, the answer was {head!r}")
        head += data
    if not head.startswith(b"HTTP/1.1 101 ") or ACCEPT.encode() not in head:
        raise ConnectionError(f"no upgrade, the answer was {head!r}")
    return sock


async def read_to_end(sock):
    """All bytes until the peer ends the connection; a reset counts as an end."""
    loop = asyncio.get_running_loop()
    received = b""
    try:
        while data := await loop.sock_recv(sock, 65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def reset(sock):
    """Closes with RST: what a crashed phone or a cut cable's middlebox sends."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def send_until_stuck(sock, chunk, total, patience):
    """Sends `chunk` again and again, at most `total` bytes; stops when the peer takes nothing for `patience` seconds.

    Returns the bytes sent, and why it ended: "all sent", "stuck" or "closed".
    """
    loop = asyncio.get_running_loop()
    sent = 0
    while sent < total:
        try:
            await asyncio.wait_for(loop.sock_sendall(sock, chunk), patience)
        except asyncio.TimeoutError:
            return sent, "stuck"
        except (ConnectionResetError, BrokenPipeError):
            return sent, "closed"
        sent += len(chunk)
    return sent, "all sent"
