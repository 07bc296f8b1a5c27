// SPDX-License-Identifier: Apache-2.0
// Containers forked and stopped by the hundred beside others that work: none may fail,
// none may keep bytes, and the VM must not grow.
import type { NodeClient } from '../node-api/client.js';
import { CzoneError } from '../protocol/errors.js';
import { MIB } from '../protocol/units.js';
import { type Spread, spreadOf } from './spread.js';

export interface CyclesOptions {
  readonly client: NodeClient;
  readonly functionId: string;
  readonly cycles: number;
  /** Cycles that run side by side. */
  readonly atOnce: number;
  /** Sends a request whose right answer is known; null: it was answered right. */
  readonly ask: (functionId: string, endpoint: string) => Promise<string | null>;
  readonly settle: () => Promise<void>;
  readonly say: (line: string) => void;
}

export interface Cycles {
  readonly functionId: string;
  readonly cycles: number;
  readonly atOnce: number;
  readonly totalUs: Spread;
  /** Started by crun though a zygote was there. */
  readonly fallbacks: number;
  /** Of those that ended, bytes that did not come back. */
  readonly keptBytes: number;
  /** Host bytes of the VM after the first three hundred cycles, and after all. */
  readonly earlyBytes: number;
  readonly lateBytes: number;
}

const TENANT = 'cycles';
/** Until the daemon’s heap and its memory of exits have filled up. */
const EARLY = 300;
const PROGRESS = 100;

export async function runCycles(options: CyclesOptions): Promise<Cycles> {
  const { client, functionId, cycles, atOnce, settle, say } = options;
  const totals: number[] = [];
  let fallbacks = 0;
  let keptBytes = 0;
  const cycle = async () => {
    const begin = performance.now();
    const view = await client.place({
      tenantId: TENANT,
      functionId,
      memoryBytes: 48 * MIB,
      startMode: 'AUTO',
    });
    const fault = await options.ask(functionId, view.endpoint);
    if (fault !== null) throw new CzoneError('INTERNAL', `${view.containerId}: ${fault}`);
    totals.push((performance.now() - begin) * 1000);
    if (view.zygoteId === null) fallbacks += 1;
    const { memoryReturn } = await client.stop(view.containerId);
    keptBytes += (memoryReturn?.residentBytes ?? 0) - (memoryReturn?.returnedBytes ?? 0);
    if (totals.length % PROGRESS === 0) say(`${totals.length} of ${cycles} cycles`);
  };
  const run = async (count: number) => {
    let left = count;
    const worker = async () => {
      while (left-- > 0) await cycle();
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  };
  const place = { tenantId: TENANT, functionId, memoryBytes: 48 * MIB } as const;
  const first = await client.place({ ...place, startMode: 'ZYGOTE' });
  const early = Math.min(EARLY, cycles);
  await run(early);
  await settle();
  const earlyBytes = await residentBytes(client);
  await run(cycles - early);
  await settle();
  const lateBytes = await residentBytes(client);
  await client.stop(first.containerId);
  return {
    functionId,
    cycles: totals.length,
    atOnce,
    totalUs: spreadOf(totals),
    fallbacks,
    keptBytes,
    earlyBytes,
    lateBytes,
  };
}

async function residentBytes(client: NodeClient): Promise<number> {
  const { sandboxes } = await client.memory();
  return sandboxes.find(({ tenantId }) => tenantId === TENANT)?.residentBytes ?? 0;
}
