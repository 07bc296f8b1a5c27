# SPDX-License-Identifier: Apache-2.0
"""What a process sees of its container, so that two ways to make one can be compared,
and what it can reach of others. For tests only (testing.py)."""

import errno
import fcntl
import os
import random
import resource
import signal
import socket
import tempfile
import uuid

STATUS = (
    ['Umask', 'Uid', 'Gid', 'Groups', 'NStgid', 'NSpid', 'NSpgid', 'NSsid', 'NoNewPrivs']
    + ['Seccomp', 'Seccomp_filters', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']
    + ['SigBlk', 'SigIgn', 'SigCgt', 'TracerPid', 'Cpus_allowed', 'CoreDumping', 'THP_enabled']
    + ['Speculation_Store_Bypass', 'SpeculationIndirectBranch', 'untag_mask']
)
WRITABLE = [
    *['/', '/app', '/etc', '/usr', '/tmp', '/var/tmp', '/dev', '/dev/shm', '/run', '/root'],
    *['/proc', '/proc/sys/kernel', '/sys'],
]
MASKED = ['/proc/kcore', '/proc/keys', '/proc/czoneinfo', '/proc/zoneinfo', '/proc/kpageflags']
NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts']
# linux/czone.h: INFO, NEXT_FORK
ZONE_REQUESTS = {'info': 0x8038CC02, 'next_fork': 0xCC05}


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read(1 << 20)
    except OSError as error:
        return errno.errorcode[error.errno]


def outcome(act, *arguments):
    """'done', or the error's name."""
    try:
        act(*arguments)
        return 'done'
    except OSError as error:
        return errno.errorcode[error.errno]


def can_write(directory):
    path = os.path.join(directory, '.written')

    def write():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        os.unlink(path)

    return outcome(write)


def status():
    lines = dict(line.split(':\t', 1) for line in read('/proc/self/status').splitlines() if ':\t' in line)
    return {name: lines[name] for name in STATUS if name in lines}


def mounts():
    found = []
    for line in read('/proc/self/mountinfo').splitlines():
        before, after = line.split(' - ', 1)
        fields = before.split(' ')
        kind, source, options = after.split(' ', 2)
        found.append(
            {
                'root': fields[3],
                'at': fields[4],
                'flags': fields[5],
                'propagation': fields[6:],
                'type': kind,
                'source': source,
                'options': options,
            }
        )
    return found


def devices():
    found = {}
    for name in sorted(os.listdir('/dev')):
        entry = os.lstat(f'/dev/{name}')
        found[name] = [oct(entry.st_mode), entry.st_uid, entry.st_gid, entry.st_rdev]
    return found


def limits():
    names = sorted(name for name in dir(resource) if name.startswith('RLIMIT_'))
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def descriptors():
    found = {}
    for name in os.listdir('/proc/self/fd'):
        try:
            found[name] = os.readlink(f'/proc/self/fd/{name}').split(':')[0]
        except FileNotFoundError:
            pass
    return found


def look():
    return {
        'status': status(),
        'mounts': mounts(),
        'devices': devices(),
        'limits': limits(),
        'descriptors': descriptors(),
        'namespaces': {name: os.readlink(f'/proc/self/ns/{name}') for name in NAMESPACES},
        'writable': {path: can_write(path) for path in WRITABLE},
        'masked': {path: read(path)[:40] for path in MASKED},
        'interfaces': [name for _, name in socket.if_nameindex()],
        'routes': len(read('/proc/net/route').splitlines()),
        'environment': dict(os.environ),
        'hostname': socket.gethostname(),
        'cgroup': read('/proc/self/cgroup'),
        'cwd': os.getcwd(),
        'oomScoreAdj': read('/proc/self/oom_score_adj').strip(),
        'exe': os.readlink('/proc/self/exe'),
        'personality': read('/proc/self/personality').strip(),
        'autogroup': read('/proc/self/autogroup'),
        'schedule': [os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)],
        'process': [os.getpid(), os.getppid(), os.getpgid(0), os.getsid(0)],
        'processes': sorted(int(name) for name in os.listdir('/proc') if name.isdigit()),
        'unshare': outcome(os.unshare, os.CLONE_NEWNS) if hasattr(os, 'unshare') else 'EPERM',
        'chroot': outcome(os.chroot, '/tmp'),
        'setuid': outcome(os.setuid, 0),
        'timers': signal.getitimer(signal.ITIMER_REAL),
    }


def random_values():
    import ssl

    values = {
        'random': str(random.getrandbits(128)),
        'urandom': os.urandom(16).hex(),
        'ssl': ssl.RAND_bytes(16).hex(),
        'uuid1': str(uuid.uuid1()),
        'uuid4': str(uuid.uuid4()),
        'name': next(tempfile._get_candidate_names()),
    }
    try:
        import numpy

        values['numpy'] = numpy.random.bytes(16).hex()
    except ImportError:
        pass
    return values


def attack():
    """Each way out, with what became of it."""
    seen = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
    signalled = [pid for pid in range(2, 400) if outcome(os.kill, pid, 0) == 'done' and pid not in seen]
    zones = {}
    for name in os.listdir('/proc/self/fd'):
        for request, number in ZONE_REQUESTS.items():
            if outcome(fcntl.ioctl, int(name), number, bytes(256)) == 'done':
                zones[name] = request
    sockets = [line.split()[-1] for line in read('/proc/net/unix').splitlines()[1:]]
    return {
        'signalled': signalled,
        'zones': zones,
        'unixSockets': sockets,
        'czoneDevice': outcome(os.open, '/dev/czone', os.O_RDWR),
        'parentMemory': outcome(os.open, '/proc/0/mem', os.O_RDONLY),
        'cgroupFiles': outcome(os.listdir, '/sys/fs/cgroup'),
        'outsideRoot': sorted(os.listdir('/proc/1/root/')) == sorted(os.listdir('/')),
        'above': sorted(os.listdir('/../../..')) == sorted(os.listdir('/')),
        'mapFiles': outcome(os.listdir, '/proc/self/map_files'),
    }
