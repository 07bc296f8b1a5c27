# SPDX-License-Identifier: Apache-2.0
"""What a child of a zygote must not share with its siblings: random state, and all that
is derived from the process's number, which is 1 in every one of them.

Not renewed: the secret of hash(str), which can't be changed once strings were hashed.
Children of one zygote have it in common.
"""

import os
import sys

# Bytes that each generator is seeded with.
SEED_BYTES = 64


def prepare():
    """In the zygote: loads what renew() will need, so that all children share it."""
    if maps_library('libcrypto.so'):
        import _ssl

        # Its generators are made at their first use, and with them a MiB of tables.
        renew_openssl()
        _ssl.RAND_bytes(SEED_BYTES)


def maps_library(name):
    with open('/proc/self/maps', encoding='utf-8', errors='replace') as maps:
        return any(name in line for line in maps)


def renew(environment):
    """In the child, first of all. The environment: bytes to bytes."""
    os.umask(0o022)
    os.environb.clear()
    os.environb.update(environment)
    renew_openssl()
    renew_python()
    renew_numpy()


def renew_openssl():
    # OpenSSL tells a fork by a new pid. Here both are 1: it would go on where the zygote
    # was, in every child alike. Reseeding its first generator reseeds the others.
    crypto = sys.modules.get('_ssl')
    if crypto is not None:
        crypto.RAND_add(os.urandom(SEED_BYTES), SEED_BYTES)


def renew_python():
    # random reseeds itself after os.fork(); this holds for other ways to fork, too.
    random = sys.modules.get('random')
    if random is not None:
        random.seed(os.urandom(SEED_BYTES))
    tempfile = sys.modules.get('tempfile')
    if tempfile is not None:
        # It has a generator of its own and looks for a new pid.
        tempfile._name_sequence = None
    uuid = sys.modules.get('uuid')
    if uuid is not None:
        # uuid1(): the interface's address is another one, and libuuid has kept its clock.
        uuid._node = None
        uuid._last_timestamp = None
        uuid._generate_time_safe = None
    process = sys.modules.get('multiprocessing.process')
    if process is not None:
        process.current_process().authkey = os.urandom(32)


def renew_numpy():
    # Its global generator; one that the function has made is the function's to renew.
    generators = sys.modules.get('numpy.random')
    if generators is not None:
        words = memoryview(os.urandom(SEED_BYTES)).cast('I')
        generators.seed(list(words))
