# SPDX-License-Identifier: Apache-2.0
"""What tests ask of a function beside its work, when CZONE_TEST_ENDPOINTS=1.

POST /_test/allocate?mib=N[&huge=1]  allocates N MiB, touches every page, holds them
POST /_test/spawn?mib=N[&exec=1]     a child (of fork alone, or after exec) does so
POST /_test/free                     gives all of that back to the system
POST /_test/exit?code=N              the process ends
POST /_test/crash                    the process takes a fault
POST /_test/look                     what the process sees of itself and its container
POST /_test/random                   fresh values of every generator there is
POST /_test/mark?value=N             keeps N in the process's memory; answers what was kept
POST /_test/attack                   what it can reach outside of its container
"""

import faulthandler
import mmap
import os
import signal
import sys

from serve import BadRequest, json_response

PAGE_BYTES = 4096
MIB = 1 << 20
MAX_MIB = 1 << 16

held = []
children = []
marks = []

CHILD = """
import mmap, os, sys, time
area = mmap.mmap(-1, int(sys.argv[1]) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(area), 4096):
    area[at] = 1
os.write(1, b'.')
time.sleep(1 << 30)
"""


def allocate(mib, huge):
    area = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if huge:
        area.madvise(mmap.MADV_HUGEPAGE)
    held.append(area)
    # Not all bytes alike: equal pages could be merged or squeezed.
    for at in range(0, len(area), PAGE_BYTES):
        area[at : at + 8] = at.to_bytes(8, 'little')


def spawn(mib, execute):
    reading, writing = os.pipe()
    if execute:
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, '-S', '-E', '-c', CHILD, str(mib)],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
        )
    else:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            allocate(mib, False)
            os.write(writing, b'.')
            while True:
                signal.pause()
    os.close(writing)
    children.append(child)
    ready = os.read(reading, 1)
    os.close(reading)
    if ready != b'.':
        raise BadRequest(f'the child {child} ended before it had its memory')
    return child


def free():
    freed = sum(len(area) for area in held) // MIB
    while held:
        held.pop().close()
    while children:
        child = children.pop()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return freed


def handle(request):
    name = request.path.removeprefix('/_test/')
    if request.method != 'POST':
        raise BadRequest('test requests are POST requests')
    if name == 'allocate':
        allocate(request.number('mib', 1, 1, MAX_MIB), request.text('huge', '0') == '1')
        return json_response({'heldMib': sum(len(area) for area in held) // MIB})
    if name == 'spawn':
        child = spawn(request.number('mib', 1, 1, MAX_MIB), request.text('exec', '0') == '1')
        return json_response({'childPid': child})
    if name == 'free':
        return json_response({'freedMib': free()})
    if name == 'exit':
        code = request.number('code', 0, 0, 255)
        response = json_response({'exit': code})
        response.after = lambda: os._exit(code)
        return response
    if name == 'crash':
        response = json_response({'crash': True})
        # A true fault: a signal sent would be ignored by the container's first process.
        response.after = faulthandler._read_null
        return response
    if name == 'look':
        import looking

        return json_response(looking.look())
    if name == 'random':
        import looking

        return json_response(looking.random_values())
    if name == 'mark':
        before = list(marks)
        marks.append(request.number('value', 0, 0, 1 << 30))
        return json_response({'before': before})
    if name == 'attack':
        import looking

        return json_response(looking.attack())
    return json_response({'error': f'no test request {name}'}, 404)
