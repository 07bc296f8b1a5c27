// SPDX-License-Identifier: Apache-2.0
// Many containers come and go in one VM: nothing fails and nothing is left.
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { KIB, MIB } from '../../src/protocol/units.js';
import { NodeUnderTest } from './node-under-test.js';

const CYCLES = Number(process.env['CZONE_TEST_CYCLES'] ?? 200);
/** Cycles before the first count: the heaps of kernel and daemon grow to their size in these. */
const WARM_UP = 60;
/**
 * The guest reports a sixteenth of its free lists to the host every 2 s. Settled: so
 * many counts in a row, so far apart, found nothing more than this.
 */
const SETTLE_MS = 6_000;
const SETTLED_COUNTS = 4;
const SETTLED_BYTES = 128 * KIB;
/** One round leaves what was in use just then. */
const DROP =
  'sync; echo 3 >/proc/sys/vm/drop_caches; echo 64M >/sys/fs/cgroup/system/memory.reclaim; echo 1 >/proc/sys/vm/compact_memory';
/**
 * Pages of files come and go: the daemon's, 10 MiB of its program, with the connection's
 * next keepalive ping after they were dropped. So they don't count.
 */
const FILES =
  'awk \'$1 == "Cached:" || $1 == "Buffers:" { kib += $2 } $1 == "Shmem:" { kib -= $2 } END { print kib }\' /proc/meminfo';
const DROPS_MAX = 8;
const DROPPED_BYTES = 256 * KIB;
/** Slab, per-CPU memory and page tables of the guest, together. */
const KERNEL_GROWTH_MAX_BYTES = 1.5 * MIB;
/** Of the whole VM, without pages of files. */
const HOST_GROWTH_MAX_BYTES = 2 * MIB;

/** The smallest server that a port can be waited for. */
const SERVER = `
import socket, os
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', int(os.environ['PORT'])))
s.listen()
while True:
    c, _ = s.accept()
    c.close()
`;

t.setTimeout(40 * 60_000);

await t.test(`${CYCLES} containers, one after another`, async (t) => {
  const node = await NodeUnderTest.start();
  t.teardown(() => node.close());
  const { client } = node;
  let sandboxId = '';

  async function cycle(): Promise<void> {
    const container = await client.place({
      tenantId: 'acme',
      functionId: 'html',
      memoryBytes: 32 * MIB,
      command: ['/usr/bin/python3', '-I', '-S', '-c', SERVER],
    });
    if (sandboxId !== '' && container.sandboxId !== sandboxId)
      throw new Error('another VM was booted');
    sandboxId = container.sandboxId;
    const { memoryReturn } = await client.stop(container.containerId, 1);
    if (
      memoryReturn?.complete !== true ||
      memoryReturn.returnedBytes !== memoryReturn.residentBytes
    ) {
      throw new Error(
        `${container.containerId} did not return all: ${JSON.stringify(memoryReturn)}`,
      );
    }
  }

  async function settledBytes(): Promise<number> {
    let lowest = Number.POSITIVE_INFINITY;
    for (let counts = 0; counts < SETTLED_COUNTS; counts++) {
      // Files first: what is read in between makes it more, and the lowest counts.
      const files = Number(await node.shell(sandboxId, FILES)) * KIB;
      if (!(files > 0)) throw new Error(`${sandboxId} told no bytes of files`);
      const now = (await client.memory(sandboxId)).residentBytes - files;
      if (now < lowest - SETTLED_BYTES) counts = 0;
      lowest = Math.min(now, lowest);
      await delay(SETTLE_MS);
    }
    return lowest;
  }

  /** The least that the host has to hold: dropped again until a round brings no more. */
  async function leastBytes(): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let rounds = 0; rounds < DROPS_MAX; rounds++) {
      await node.shell(sandboxId, DROP);
      const bytes = await settledBytes();
      if (bytes > least - DROPPED_BYTES) return Math.min(bytes, least);
      least = bytes;
    }
    throw new Error(`${sandboxId} was still giving memory back after ${DROPS_MAX} rounds`);
  }

  /** Drops what can be dropped first, so that only what is held counts. */
  async function count(): Promise<{ hostBytes: number; kernelBytes: number }> {
    const hostBytes = await leastBytes();
    const meminfo = await node.shell(sandboxId, 'cat /proc/meminfo');
    const field = (name: string): number => {
      const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo);
      if (!match) throw new Error(`the guest's meminfo has no ${name}: ${meminfo}`);
      return Number(match[1]) * KIB;
    };
    const lists = await node.shell(
      sandboxId,
      'awk \'$1 == "count:" { pages += $2 } END { print pages * 4 }\' /proc/zoneinfo',
    );
    const memory = await client.memory(sandboxId);
    const sandbox = memory.sandboxes[0];
    if (!sandbox) throw new Error(`${sandboxId} is gone`);
    t.equal(sandbox.zonesResidentBytes + sandbox.strayBytes, 0, 'the region is empty on the host');
    t.comment(
      ['MemFree', 'AnonPages', 'Cached', 'Slab', 'Percpu', 'VmallocUsed']
        .map((name) => `${name} ${field(name) / KIB} KiB`)
        .concat(`per-CPU lists ${lists.trim()} KiB`)
        .join(', '),
    );
    return {
      hostBytes,
      kernelBytes:
        field('Slab') +
        field('Percpu') +
        field('PageTables') +
        field('KernelStack') +
        field('VmallocUsed'),
    };
  }

  for (let n = 0; n < WARM_UP; n++) await cycle();
  const before = await count();
  for (let n = 0; n < CYCLES; n++) await cycle();
  const after = await count();
  t.comment(
    `host ${before.hostBytes} -> ${after.hostBytes}, guest kernel ${before.kernelBytes} -> ${after.kernelBytes}`,
  );
  t.ok(
    after.hostBytes - before.hostBytes <= HOST_GROWTH_MAX_BYTES,
    `the host's bytes grew by ${after.hostBytes - before.hostBytes}`,
  );
  t.ok(
    after.kernelBytes - before.kernelBytes <= KERNEL_GROWTH_MAX_BYTES,
    `the guest kernel's memory grew by ${after.kernelBytes - before.kernelBytes}`,
  );
});
