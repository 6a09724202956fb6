"""Who else is measured: clients, which take turns at one echo server, each a program that says what came back to it.

A program is given a port of 127.0.0.1, how many connections, of how many bytes a message, how many of them in flight, and
for how many seconds to warm up and to count. The peers are written as their own documentation recommends for speed: on
uvloop, in batches where they have such a thing, without compression; each masks what it sends with keys of its own choice.
"""
from dataclasses import dataclass

from .places import BENCHES, BUILD, DEPS, PYTHON
from .servers import AGAIN, BARE, WSPUSH_C, WSPUSH_PHP, WS_VERSION, python_version

ORDER = ("{port}", "{connections}", "{size}", "{in_flight}", "{warm_up}", "{seconds}")
LOAD = (str(BUILD / "load"), "--raw", "-c", "{connections}", "-s", "{size}", "-p", "{in_flight}", "-w", "{warm_up}",
        "-t", "{seconds}", "127.0.0.1", "{port}")


@dataclass(frozen=True)
class Client:
    name: str
    title: str
    words: tuple
    version: tuple = ()  # a command that prints it; that it fails means that the client is not here
    product: str = ""
    peer: bool = True
    raw: bool = False  # plain TCP
    warm_up: float = 1  # seconds: compilers, and those who size their buffers as they go

    def command(self, exchange, port, seconds):
        values = {"port": port, "connections": exchange.connections, "size": exchange.size,
                  "in_flight": exchange.in_flight, "warm_up": self.warm_up, "seconds": seconds}
        return [word.format(**values) for word in self.words]


def of_python(name):
    words = (PYTHON, str(BENCHES / f"peers/{name}_client.py"), *ORDER)
    return Client(name, name, words, python_version(name, "uvloop"), name)


TUNGSTENITE = str(DEPS / "cargo/release/tungstenite_client")
BARE_CLIENT = Client(BARE.name, BARE.title, LOAD, peer=False, raw=True, warm_up=0.05)
AGAIN_CLIENT = Client(AGAIN.name, AGAIN.title, LOAD, peer=False, raw=True, warm_up=0.05)
OURS = [
    Client(WSPUSH_C.name, WSPUSH_C.title, (str(BUILD / "wspush_client"), *ORDER), WSPUSH_C.version, WSPUSH_C.product,
           peer=False, warm_up=0.05),
    Client(WSPUSH_PHP.name, WSPUSH_PHP.title, ("php", str(BENCHES / "wspush_client.php"), *ORDER), WSPUSH_PHP.version,
           WSPUSH_PHP.product, peer=False, warm_up=0.05),
]
PEERS = [
    of_python("picows"),
    Client("tungstenite", "tokio-tungstenite", (TUNGSTENITE, *ORDER),
           ("sed", "-n", 's/^tokio-tungstenite = "=\\(.*\\)"/\\1/p', str(BENCHES / "peers/tungstenite_client/Cargo.toml")),
           "tokio-tungstenite"),
    Client("ws", "ws, Node", ("node", str(BENCHES / "peers/ws_client.cjs"), *ORDER), WS_VERSION, "ws"),
    of_python("websockets"),
]
CLIENTS = {client.name: client for client in [BARE_CLIENT, AGAIN_CLIENT, *OURS, *PEERS]}
