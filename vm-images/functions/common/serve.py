# SPDX-License-Identifier: Apache-2.0
"""What the Python functions have in common: an HTTP server on $PORT.

A function is a module `handler` with `handle(request) -> Response`, or with a WSGI
application `application` (see wsgi.py). The server answers GET /healthz itself, and under /_test/ what tests need (see testing.py)
when CZONE_TEST_ENDPOINTS=1.
"""

import io
import json
import os
import signal
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

MAX_BODY_BYTES = 16 << 20
IDLE_CONNECTION_S = 60


class BadRequest(Exception):
    """What the client did wrong; answered with 400 and the message."""


class Request:
    def __init__(self, method, path, query_string, headers, body):
        self.method = method
        self.path = path
        self.query_string = query_string
        self.query = parse_qs(query_string)
        self.headers = headers
        self.body = body

    def text(self, name, default):
        return self.query.get(name, [default])[-1]

    def number(self, name, default, minimum, maximum):
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or not minimum <= int(value) <= maximum:
            raise BadRequest(f'{name} must be a whole number from {minimum} to {maximum}')
        return int(value)

    def json(self):
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f'the body is not JSON: {error}') from None


class Response:
    def __init__(self, body, content_type, status=200):
        self.body = body
        self.content_type = content_type
        self.status = status
        self.headers = {}


def json_response(value, status=200):
    text = json.dumps(value, sort_keys=True, separators=(',', ':'))
    return Response(text.encode() + b'\n', 'application/json', status)


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_version = 'czone-function'
    sys_version = ''
    timeout = IDLE_CONNECTION_S
    # Header and body in one segment each way, without waiting for more.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        self.respond()

    def do_POST(self):
        self.respond()

    def respond(self):
        try:
            response = self.dispatch()
        except BadRequest as error:
            response = json_response({'error': str(error)}, 400)
        except MemoryError:
            response = json_response({'error': 'out of memory'}, 507)
        except Exception:
            traceback.print_exc()
            response = json_response({'error': 'internal error'}, 500)
        self.send_response(response.status)
        self.send_header('Content-Type', response.content_type)
        self.send_header('Content-Length', str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)
        self.wfile.flush()
        after = getattr(response, 'after', None)
        if after is not None:
            after()

    def read_body(self):
        length = self.headers.get('Content-Length', '0')
        if self.headers.get('Transfer-Encoding') or not length.isdigit():
            self.close_connection = True
            raise BadRequest('a body needs a Content-Length')
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            raise BadRequest(f'a body may have at most {MAX_BODY_BYTES} bytes')
        return self.rfile.read(int(length))

    def dispatch(self):
        body = self.read_body()
        url = urlsplit(self.path)
        request = Request(self.command, url.path, url.query, self.headers, body)
        if url.path == '/healthz':
            return Response(b'ok\n', 'text/plain; charset=utf-8')
        if url.path.startswith('/_test/') and os.environ.get('CZONE_TEST_ENDPOINTS') == '1':
            import testing

            return testing.handle(request)
        if url.path == '/' or self.server.function.all_paths:
            return self.server.function(request)
        return json_response({'error': f'nothing at {url.path}'}, 404)

    def log_message(self, format, *arguments):
        print(self.address_string(), format % arguments, flush=True)


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def server_bind(self):
        # HTTPServer would ask for the host's name, and load the resolver for that.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class NoConnection:
    """Reads a request that was made up, and keeps nothing of the answer."""

    def __init__(self, request):
        self.request = request

    def makefile(self, mode, size=-1):
        return io.BytesIO(self.request) if 'r' in mode else io.BytesIO()

    def settimeout(self, seconds):
        pass

    def setsockopt(self, *option):
        pass

    def sendall(self, data):
        pass


class QuietHandler(Handler):
    def log_message(self, format, *arguments):
        pass


def warm_up(function):
    """All that the server itself does at its first request only."""
    server = SimpleNamespace(function=function)
    request = b'GET /healthz?a=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    QuietHandler(NoConnection(request), ('127.0.0.1', 0), server)


class Function:
    """What answers requests; with `all_paths` those of any path."""

    def __init__(self, handle, all_paths):
        self.handle = handle
        self.all_paths = all_paths

    def __call__(self, request):
        return self.handle(request)


def load():
    """The module `handler`, and what answers its requests."""
    import handler

    application = getattr(handler, 'application', None)
    if application is None:
        return handler, Function(handler.handle, False)
    import wsgi

    return handler, Function(wsgi.handle_by(application), True)


def serve(function):
    """Never returns."""
    # The first process of a container gets no default action for a signal.
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    threading.stack_size(1 << 20)
    port = int(os.environ.get('PORT', '8080'))
    server = Server(('0.0.0.0', port), Handler)
    server.function = function
    print(f'listening on {port}', flush=True)
    server.serve_forever()


def main():
    _, function = load()
    if sys.argv[1:] == ['--check']:
        # The build asks whether everything can be imported.
        import identity  # noqa: F401
        import testing
        import zygote  # noqa: F401

        return 0 if callable(function.handle) and callable(testing.handle) else 1
    serve(function)


if __name__ == '__main__':
    # The functions import this module by its name.
    sys.modules['serve'] = sys.modules['__main__']
    sys.exit(main())
