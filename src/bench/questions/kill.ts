// SPDX-License-Identifier: Apache-2.0
// A VM full of hogs whose memory lies interleaved; some of them are killed, and their
// memory is taken back. What B1 and B2 have in common.
import type { PageSize } from '../../host/vm/page-size.js';
import { KIB, MIB } from '../../protocol/units.js';
import type { Peer, PeerVm } from '../peers/peer.js';
import type { BenchContext } from '../question.js';
import { BenchVm, type Kernel } from '../vm/bench-vm.js';

export interface KillPlan {
  readonly peer: Peer;
  readonly kernel: Kernel;
  readonly pageSize: PageSize;
  /** One after another are killed; all of it is touched before. */
  readonly killBytes: readonly number[];
  /** They stay. */
  readonly otherBytes: readonly number[];
  /** Memory of the VM that nobody has. */
  readonly freeBytes: number;
  /** Kills of a small one before. */
  readonly warmTimes: number;
}

export interface Kill {
  /** From the kill until the processes were gone. */
  readonly exitMs: number;
  /** From the request until the bytes were back. */
  readonly returnMs: number;
  readonly residentBytes: number;
  readonly returnedBytes: number;
  /** Of those, what was back when the request was made; null: nobody tells. */
  readonly earlyBytes: number | null;
  /** Round trip of an empty request to the device, just before. */
  readonly roundTripMs: number;
  /** Of the return: the guest's own work; null: nobody tells. */
  readonly guestMs: number | null;
}

export interface KillRun {
  readonly kills: readonly Kill[];
  /** Of the VM's memory on the host, before the first kill. */
  readonly allocatedBytes: number;
  readonly hugeBytes: number;
}

/** Hogs touch in turns: with small pages 64 KiB at a time, with huge ones a huge page. */
export const TURN_BYTES: Readonly<Record<PageSize, number>> = {
  '4KiB': 64 * KIB,
  '2MiB': 2 * MIB,
};
/** Comes and goes before, so that the emulator has translated all that it takes. */
const WARM_BYTES = 32 * MIB;
/** Until nobody has anything to do for the first time. */
export const WARM_TIMES = 4;

export async function killAndReturn(context: BenchContext, plan: KillPlan): Promise<KillRun> {
  const { peer, pageSize } = plan;
  const containers = [...plan.killBytes, ...plan.otherBytes, WARM_BYTES];
  const vm = await BenchVm.start(
    context.machine,
    plan.kernel,
    peer.shape({
      bytes: containers.reduce((sum, bytes) => sum + bytes, plan.freeBytes),
      containers,
      pageSize,
      swapBytes: 0,
    }),
  );
  let opened: PeerVm | null = null;
  try {
    opened = await peer.open(vm);
    return await run(vm, opened, plan);
  } finally {
    opened?.close();
    await vm.end();
  }
}

async function run(vm: BenchVm, peer: PeerVm, plan: KillPlan): Promise<KillRun> {
  const huge = plan.pageSize === '2MiB';
  const turnKib = TURN_BYTES[plan.pageSize] / KIB;
  const warm = plan.killBytes.length + plan.otherBytes.length + 1;
  for (let times = 0; times < plan.warmTimes; times++) {
    await vm.guest.startHog(warm, await peer.admit(warm, WARM_BYTES), WARM_BYTES, huge);
    await vm.guest.fillHogs([warm], turnKib);
    await kill(vm, peer, warm, WARM_BYTES);
  }

  const ids: number[] = [];
  for (const bytes of [...plan.killBytes, ...plan.otherBytes]) {
    const id = ids.length + 1;
    await vm.guest.startHog(id, await peer.admit(id, bytes), bytes, huge);
    ids.push(id);
  }
  await vm.guest.fillHogs(ids, turnKib);
  const allocatedBytes = vm.allocatedBytes();
  const hugeBytes = vm.hugeBytes();
  const kills: Kill[] = [];
  for (const [index, bytes] of plan.killBytes.entries()) {
    kills.push(await kill(vm, peer, index + 1, bytes));
  }
  return { kills, allocatedBytes, hugeBytes };
}

async function kill(vm: BenchVm, peer: PeerVm, id: number, bytes: number): Promise<Kill> {
  const roundTripMs = await peer.roundTrip();
  const before = vm.allocatedBytes();
  const residentBytes = peer.residentBytes(id, bytes);
  const startMs = performance.now();
  await vm.guest.killHog(id);
  const exitMs = performance.now() - startMs;
  const { ms, returnedBytes, guestMs, earlyBytes } = await peer.release(
    id,
    bytes,
    before - residentBytes,
  );
  return {
    exitMs,
    returnMs: ms,
    residentBytes,
    returnedBytes,
    earlyBytes: earlyBytes ?? null,
    roundTripMs,
    guestMs: guestMs ?? null,
  };
}
