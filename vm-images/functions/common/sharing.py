# SPDX-License-Identifier: Apache-2.0
"""Keeps the pages of a zygote shared with its children.

A child that only reads an object writes to its page all the same, since the count of
its references lies in it; and what it allocates goes first into the holes that the
zygote's objects have left between them, each hole a page that is copied. So the zygote
makes all its objects immortal (PEP 683: their counts are not written any more) and
fills the holes. docs/zygote.md tells what it saves.

An immortal object is never freed. What a child drops of the zygote's stays until the
child ends, and no weak reference to it is ever called back.
"""

import gc
import os
import struct
import sys
import sysconfig
import types

# Include/refcount.h of 3.12 to 3.14: what Py_INCREF leaves alone.
IMMORTAL = 0xFFFFFFFF
# Objects/obmalloc.c: small objects lie in pools of blocks of one size, behind a header.
POOL_BYTES = 16 * 1024
POOL_HEADER_BYTES = 48
BLOCK_STEP_BYTES = 16
LARGEST_BLOCK_BYTES = 512
# More in one size of block than any zygote has left holes.
MOST_FILLERS = 100_000

fillers = []


def is_known_python():
    """Whether the layout that this module relies on is that of the running Python."""
    return (
        sys.implementation.name == 'cpython'
        and (3, 12) <= sys.version_info[:2] <= (3, 14)
        and sys.byteorder == 'little'
        and struct.calcsize('P') == 8
        and not sysconfig.get_config_var('Py_GIL_DISABLED')
        and not sysconfig.get_config_var('Py_DEBUG')
        # Another allocator has other holes, or none that an address would end at.
        and not sys.flags.dev_mode
        and 'PYTHONMALLOC' not in os.environ
    )


def share():
    """In the zygote, last of all. Only freezes the collector where Python is not known."""
    gc.collect()
    if is_known_python():
        make_immortal(reachable())
        fill_holes()
    # What lives now lives in every child: the collector would write to all of it.
    gc.freeze()


def reachable():
    """The addresses of all objects that can be reached, but for this function's own."""
    found = {}
    objects = gc.get_objects()
    while objects:
        fresh = [one for one in objects if id(one) not in found]
        found.update((id(one), None) for one in fresh)
        objects = gc.get_referents(*fresh)
        for one in fresh:
            # The collector does not look into code.
            if isinstance(one, types.CodeType):
                objects += [one.co_consts, one.co_names, one.co_filename, one.co_name]
                objects += [one.co_qualname, one.co_linetable, one.co_exceptiontable]
                objects += [*one.co_varnames, *one.co_cellvars, *one.co_freevars]
    found.pop(id(found), None)
    return found


def make_immortal(addresses):
    # Not ctypes itself: importing that makes a callback, in memory of its own.
    from _ctypes import _SimpleCData

    class Count(_SimpleCData):
        _type_ = 'I'

    at = Count.from_address
    for address in addresses:
        at(address).value = IMMORTAL


def fill_holes():
    """Until each size of block begins a pool of its own, in which a child goes on."""
    empty_bytes = sys.getsizeof(b'')
    for size in range(BLOCK_STEP_BYTES, LARGEST_BLOCK_BYTES + 1, BLOCK_STEP_BYTES):
        for number in range(MOST_FILLERS):
            if size == 16:
                filler = object()
            elif size == 32:
                filler = (1 << 25) + number
            else:
                filler = bytes(size - empty_bytes)
            if id(filler) % POOL_BYTES == POOL_HEADER_BYTES:
                break
            fillers.append(filler)
