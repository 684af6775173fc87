"""An API server that has one deployment `web` with two ready pods, and trouble as a test wants it."""
import http.server
import json
import ssl
import subprocess
import threading
import urllib.parse


def certificate(folder, name):
    """A self-signed certificate for 127.0.0.1: its key and its file."""
    key, cert = folder / (name + ".key"), folder / (name + ".crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return key, cert


def status(code, reason, message):
    return code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                  "message": message, "reason": reason, "code": code}


def pod(number):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1-%d" % number, "namespace": "default", "uid": "u-%d" % number,
                         "resourceVersion": "5", "labels": {"app": "web", "pod-template-hash": "1"},
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                                              "name": "web-1", "uid": "rs", "controller": True}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}


DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment",
              "metadata": {"name": "web", "namespace": "default", "uid": "d",
                           "resourceVersion": "5"},
              "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}}


class Api:
    """`trouble(method, path)` may return (code, object), (code, object, headers) or None; `hits` is
    what was asked."""

    def __init__(self, folder, token="sesame"):
        api = self
        self.trouble = lambda method, path: None
        self.hits = []
        self.ended = threading.Event()
        key, self.cert = certificate(folder, "api")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, code, thing, headers={}):
                body = json.dumps(thing).encode()
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def watch(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Connection", "close")
                self.end_headers()
                api.ended.wait()

            def handle_any(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                url = urllib.parse.urlparse(self.path)
                api.hits.append((self.command, url.path))
                if self.headers.get("Authorization") != "Bearer " + token:
                    return self.answer(*status(401, "Unauthorized", "Unauthorized"))
                trouble = api.trouble(self.command, url.path)
                if trouble:
                    return self.answer(*trouble)
                if "watch=1" in url.query or "watch=true" in url.query:
                    self.close_connection = True
                    return self.watch()
                return self.answer(*self.thing(url.path))

            def thing(self, path):
                if path == "/version":
                    return 200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
                if self.command == "GET" and path.endswith("/deployments/web"):
                    return 200, DEPLOYMENT
                if self.command == "GET" and path.endswith("/pods"):
                    return 200, {"kind": "PodList", "apiVersion": "v1",
                                 "metadata": {"resourceVersion": "5"}, "items": [pod(1), pod(2)]}
                return status(404, "NotFound", "the server could not find the requested resource")

            do_GET = do_POST = do_DELETE = do_PATCH = handle_any

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that trust nobody hang up
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        # The handshake belongs to the connection's own thread.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.url = "https://127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
