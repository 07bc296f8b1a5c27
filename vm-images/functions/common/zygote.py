# SPDX-License-Identifier: Apache-2.0
"""A Python function as a zygote: everything is loaded, and children are forked.

Loads `handler` as serve.py would, and waits. For each request of the guest daemon it
forks a child into the zone and the sandbox that come with the request; the child gets
an identity of its own and serves. docs/zygote.md describes the protocol.

A handler may have two hooks:
  before_fork()   once in the zygote, before it waits: what every child would do first
                  (load, warm up) is done here. It must leave no thread and nothing open.
  after_fork()    in each child before it serves: what no two children may share.
"""

import fcntl
import os
import socket
import stat
import struct
import sys
import traceback

import identity
import sharing

# The channel, and the daemon's end of it, which only a new daemon takes.
CHANNEL_FD = 3
DAEMON_FD = 4
HEADER = struct.Struct('<4sHHQ')
MAGIC = b'CZZ1'
FORK, READY, REFUSED, FORKED, FAILED = 1, 16, 17, 18, 19
MAX_MESSAGE_BYTES = 64 * 1024
MAX_TEXT_BYTES = 1000
# linux/czone.h: CZONE_IOC_NEXT_FORK
NEXT_FORK = 0xCC05


class Refused(Exception):
    """A request that is not carried out; the message says why."""


def next_fork_into(zone_fd):
    """The next fork() of this process makes the first one of the zone's sandbox."""
    fcntl.ioctl(zone_fd, NEXT_FORK, 0)


def what_forbids_a_fork(own_descriptors):
    """None at a safe point: no thread, and nothing open that a child must not share."""
    threads = os.listdir('/proc/self/task')
    if len(threads) > 1:
        return f'{len(threads) - 1} threads run beside the main one'
    for name in os.listdir('/proc/self/fd'):
        if int(name) > 2 and int(name) not in own_descriptors:
            try:
                return f'descriptor {name} is open ({os.readlink(f"/proc/self/fd/{name}")})'
            except FileNotFoundError:
                # It was the listing's own.
                pass
    return None


def what_is_shared():
    """None, or memory that all children would write to. Once: from then on nothing runs but
    serve(), which maps none, and the list has hundreds of lines.
    """
    with open('/proc/self/maps', 'rb') as maps:
        for line in maps:
            fields = line.split(None, 5)
            if fields[1][1:2] == b'w' and fields[1][3:4] == b's':
                return 'memory is mapped shared and writable'
    return None


def parse_fork(message):
    """The request's id and environment."""
    if len(message) < HEADER.size + 4:
        raise ValueError('the message is too short')
    magic, kind, zero, number = HEADER.unpack_from(message)
    if magic != MAGIC or kind != FORK or zero != 0:
        raise ValueError('the message is no request to fork')
    (count,) = struct.unpack_from('<I', message, HEADER.size)
    texts = message[HEADER.size + 4 :].split(b'\0')
    if texts.pop() != b'' or len(texts) != count:
        raise ValueError('the environment is not what its count says')
    environment = {}
    for text in texts:
        name, equals, value = text.partition(b'=')
        if not name or not equals:
            raise ValueError('the environment has a variable without a name')
        environment[name] = value
    return number, environment


class Zygote:
    """`run_child` is called in each child and never returns to the zygote's own code."""

    def __init__(self, channel, run_child, arm=next_fork_into, kept=(CHANNEL_FD, DAEMON_FD)):
        self.channel = channel
        self.run_child = run_child
        self.arm = arm
        self.kept = frozenset(kept)

    def say(self, kind, number, body=b''):
        self.channel.send(HEADER.pack(MAGIC, kind, 0, number) + body)

    def refuse(self, number, reason):
        self.say(REFUSED, number, reason.encode()[:MAX_TEXT_BYTES])

    def serve(self):
        """Until the channel is closed."""
        reason = what_forbids_a_fork(self.kept) or what_is_shared()
        if reason is not None:
            self.refuse(0, reason)
            return
        self.say(READY, 0, f'python {sys.version_info.major}.{sys.version_info.minor}'.encode())
        while True:
            message, descriptors, flags, _ = socket.recv_fds(self.channel, MAX_MESSAGE_BYTES, 4)
            if not message:
                return
            try:
                self.answer(message, descriptors, flags)
            finally:
                for fd in descriptors:
                    os.close(fd)

    def answer(self, message, descriptors, flags):
        number, environment = parse_fork(message)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(descriptors) != 3:
            self.refuse(number, f'the request came with {len(descriptors)} descriptors, not 3')
            return
        reason = what_forbids_a_fork(self.kept | set(descriptors))
        if reason is not None:
            self.refuse(number, reason)
            return
        try:
            self.arm(descriptors[0])
            pid = os.fork()
        except OSError as error:
            self.say(FAILED, number, struct.pack('<I', error.errno or 0) + str(error).encode())
            return
        if pid == 0:
            self.be_born(environment, descriptors)
        self.say(FORKED, number)

    def be_born(self, environment, descriptors):
        status = 1
        try:
            os.dup2(descriptors[1], 1)
            os.dup2(descriptors[2], 2)
            # Zone, channel, all of it: a child holds nothing of the zygote's.
            os.closerange(3, 1 << 20)
            identity.renew(environment)
            self.run_child()
            status = 0
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)


def load():
    """The function, with all done that every child would do. Its hook for children, too."""
    import serve

    handler, function = serve.load()
    serve.warm_up(function)
    if hasattr(handler, 'before_fork'):
        handler.before_fork()
    after_fork = getattr(handler, 'after_fork', None)

    def run_child():
        if after_fork is not None:
            after_fork()
        serve.serve(function)

    return run_child


def main():
    if not stat.S_ISSOCK(os.fstat(CHANNEL_FD).st_mode):
        raise SystemExit('descriptor 3 is no channel of the guest daemon: run serve.py instead')
    channel = socket.socket(fileno=CHANNEL_FD)
    try:
        zygote = Zygote(channel, load())
    except BaseException as error:
        refusal = Zygote(channel, None)
        refusal.refuse(0, f'the function can not be loaded: {type(error).__name__}: {error}')
        raise
    identity.prepare()
    sharing.share()
    zygote.serve()
    return 0


if __name__ == '__main__':
    sys.exit(main())
