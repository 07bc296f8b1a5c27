# SPDX-License-Identifier: Apache-2.0
"""A WSGI application (PEP 3333) as a function's handler."""

import io
import sys
from urllib.parse import unquote_to_bytes

from serve import Response


def environ_of(request):
    environ = {
        'REQUEST_METHOD': request.method,
        'SCRIPT_NAME': '',
        'PATH_INFO': unquote_to_bytes(request.path).decode('latin-1'),
        'QUERY_STRING': request.query_string,
        'SERVER_NAME': request.headers.get('Host', 'localhost').partition(':')[0],
        'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'CONTENT_TYPE': request.headers.get('Content-Type', ''),
        'CONTENT_LENGTH': str(len(request.body)),
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': 'http',
        'wsgi.input': io.BytesIO(request.body),
        'wsgi.errors': sys.stderr,
        'wsgi.multithread': True,
        'wsgi.multiprocess': False,
        'wsgi.run_once': False,
    }
    for name, value in request.headers.items():
        key = name.upper().replace('-', '_')
        if key not in ('CONTENT_TYPE', 'CONTENT_LENGTH'):
            environ[f'HTTP_{key}'] = value
    return environ


def handle_by(application):
    def handle(request):
        started = {}
        written = []

        def start_response(status, headers, exc_info=None):
            if started and exc_info is None:
                raise AssertionError('the response was started before')
            started.update(status=int(status.split(' ', 1)[0]), headers=dict(headers))
            return written.append

        chunks = application(environ_of(request), start_response)
        try:
            written.extend(chunks)
        finally:
            if hasattr(chunks, 'close'):
                chunks.close()
        headers = started['headers']
        kind = next((headers.pop(name) for name in list(headers) if name.lower() == 'content-type'), '')
        response = Response(b''.join(written), kind, started['status'])
        response.headers = {k: v for k, v in headers.items() if k.lower() != 'content-length'}
        return response

    return handle
