# SPDX-License-Identifier: Apache-2.0
"""A zygote for tests on a host without zones: fork() alone makes the child."""

import json
import os
import random
import socket
import sys
import tempfile
import threading
import uuid

sys.path.insert(0, sys.argv[1])

import identity
import zygote

MODE = sys.argv[2]
# Of whoever runs the tests.
os.closerange(5, 1 << 16)


def run_child():
    import ssl

    print(
        json.dumps(
            {
                'environment': dict(os.environ),
                'descriptors': sorted(int(name) for name in os.listdir('/proc/self/fd'))[:-1],
                'random': random.getrandbits(64),
                'ssl': ssl.RAND_bytes(16).hex(),
                'uuid1': str(uuid.uuid1()),
                'uuid4': str(uuid.uuid4()),
                'name': next(tempfile._get_candidate_names()),
            }
        ),
        flush=True,
    )


import ssl  # noqa: E402

# Each generator has a state that a child would inherit.
random.random()
ssl.RAND_bytes(1)
uuid.uuid1()
next(tempfile._get_candidate_names())
# A child's pid is that of the zygote, as in containers: who looks for a new one sees none.
os.getpid = lambda: 1

if MODE == 'thread':
    threading.Thread(target=threading.Event().wait, daemon=True).start()
if MODE == 'socket':
    kept = socket.socket()
if MODE == 'late-socket':
    zygote.Zygote.say_before = zygote.Zygote.say

    def say(self, kind, number, body=b''):
        self.say_before(kind, number, body)
        self.late = socket.socket()

    zygote.Zygote.say = say
if MODE == 'shared':
    import mmap

    area = mmap.mmap(-1, 4096)
arm = zygote.next_fork_into if MODE == 'kernel' else lambda zone_fd: None
identity.prepare()
zygote.Zygote(socket.socket(fileno=3), run_child, arm).serve()
