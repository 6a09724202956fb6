"""The client in C at servers that others wrote: `websockets`, `ws`, `socketify`, and nginx as a proxy in front of one."""

import os
import shutil
import subprocess
import tempfile
import unittest

from server import ROOT, Server

CLIENT = os.path.join(ROOT, "build/clients/client")
OTHERS = "tests/clients/others"
PYTHONS = [os.path.join(ROOT, ".deps", place, "bin/python") for place in ("python", "bench/python")]
NGINX = [os.path.join(ROOT, ".deps/nginx/usr/sbin/nginx"), shutil.which("nginx") or "/usr/sbin/nginx"]

NGINX_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
        location /without-upgrade {{ proxy_pass http://127.0.0.1:{backend}/; proxy_http_version 1.1; }}
        location /nobody {{ proxy_pass http://127.0.0.1:{nobody}; }}
        location /busy {{ add_header Retry-After 7 always; return 503; }}
        location /secret {{ add_header WWW-Authenticate 'Basic realm="x"' always; return 401; }}
        location /page {{ return 200 "<title>a page</title>"; }}
        location /moved {{ return 301 /; }}
    }}
}}
"""


def setUpModule():
    os.makedirs(os.path.dirname(CLIENT), exist_ok=True)
    subprocess.run([os.environ.get("CC", "cc"), "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-Iinclude",
                    "tests/clients/client.c", "-o", CLIENT, "-Lbuild/lib", "-lwspush", "-pthread",
                    "-Wl,-rpath,$ORIGIN/../lib"], cwd=ROOT, check=True)


class ServerOfOthersTests:
    """What the client must do at every server; the classes below say which server."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.serve().start()
        cls.addClassCleanup(cls.server.kill)

    def client(self, *words, target=""):
        """Runs the client at the server with these words; what it printed."""
        done = subprocess.run([CLIENT, self.server.url + target, *words], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{done.stderr}{self.server.output}")
        return done.stdout

    def test_text_and_binary_of_every_length_form_and_a_mebibyte(self):
        self.client("echo", "close")

    def test_fragments_of_the_server_are_one_message(self):
        self.client("fragments", "close")

    def test_pings_of_either_side(self):
        self.client("ping", "ping", "close")

    def test_the_server_closes(self):
        self.client("closed")

    def test_all_in_one_connection(self):
        self.client("ping", "fragments", "echo", "fragments", "ping", "closed")


def websockets_server():
    return Server([PYTHONS[0], f"{OTHERS}/websockets_server.py"])


class Websockets(ServerOfOthersTests, unittest.TestCase):
    serve = staticmethod(websockets_server)


class Ws(ServerOfOthersTests, unittest.TestCase):
    @staticmethod
    def serve():
        modules = os.path.join(ROOT, ".deps/node/node_modules")
        if not os.path.isdir(os.path.join(modules, "ws")) or shutil.which("node") is None:
            raise unittest.SkipTest("ws is not installed (scripts/setup test)")
        return Server(["env", f"NODE_PATH={modules}", "node", f"{OTHERS}/ws_server.cjs"])


class Socketify(ServerOfOthersTests, unittest.TestCase):
    @staticmethod
    def serve():
        for python in PYTHONS:
            if os.path.exists(python) and subprocess.run([python, "-c", "import socketify"], capture_output=True).returncode == 0:
                return Server([python, f"{OTHERS}/socketify_server.py"])
        raise unittest.SkipTest("socketify is not installed (scripts/setup test)")


class Nginx(ServerOfOthersTests, unittest.TestCase):
    """As a proxy in front of `websockets`, and alone, where it refuses."""

    @classmethod
    def serve(cls):
        nginx = next((path for path in NGINX if os.path.exists(path)), None)
        if nginx is None:
            raise unittest.SkipTest("nginx is not installed (scripts/setup test)")
        backend = websockets_server().start()
        cls.addClassCleanup(backend.kill)
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        configuration = os.path.join(directory.name, "nginx.conf")
        server, nobody = (Server([nginx, "-p", directory.name, "-c", configuration], ready="connect") for _ in range(2))
        server.pick_port()
        nobody.pick_port()
        with open(configuration, "w") as file:
            file.write(NGINX_CONFIGURATION.format(directory=directory.name, port=server.port, backend=backend.port,
                                                  nobody=nobody.port))
        return server

    def refusal(self, target):
        return self.client("refused", target=target).split(" ", 2)

    def test_refusals_are_told_apart(self):
        for target, status, code in (
            ("nobody", "WS_ERR_HTTP_STATUS", "502"),
            ("busy", "WS_ERR_UNAVAILABLE", "503"),
            ("secret", "WS_ERR_UNAUTHORIZED", "401"),
            ("page", "WS_ERR_HTTP_STATUS", "200"),
            ("moved", "WS_ERR_REDIRECT", "301"),
            ("without-upgrade", "WS_ERR_HTTP_STATUS", "426"),
        ):
            with self.subTest(target=target):
                self.assertEqual(self.refusal(target)[:2], [status, code])
