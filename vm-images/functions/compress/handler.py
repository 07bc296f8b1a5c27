# SPDX-License-Identifier: Apache-2.0
"""Compresses the body and unpacks it again, with zlib, bzip2 and xz.

GET /?kib=N   N KiB of made-up text
POST /        the body
"""

import bz2
import hashlib
import lzma
import zlib

from serve import Request, json_response

MAX_KIB = 8192

WORDS = b'container zone memory page return guest host device ring plug unplug kernel'.split()


def made_up(kib):
    wanted = kib * 1024
    text = bytearray()
    state = 1
    while len(text) < wanted:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        text += WORDS[(state >> 16) % len(WORDS)] + b' '
    return bytes(text[:wanted])


def before_fork():
    handle(Request('GET', '/', 'kib=1', {}, b''))


def handle(request):
    body = request.body if request.method == 'POST' else made_up(request.number('kib', 64, 0, MAX_KIB))
    answer = {}
    for name, pack, unpack in (
        ('zlib', lambda data: zlib.compress(data, 6), zlib.decompress),
        ('bzip2', lambda data: bz2.compress(data, 6), bz2.decompress),
        # The preset bounds the dictionary, and so the memory, whatever the body.
        ('xz', lambda data: lzma.compress(data, preset=1), lzma.decompress),
    ):
        packed = pack(body)
        answer[name] = {'bytes': len(packed), 'same': unpack(packed) == body}
    return json_response(
        {'bytes': len(body), 'sha256': hashlib.sha256(body).hexdigest(), 'packed': answer}
    )
