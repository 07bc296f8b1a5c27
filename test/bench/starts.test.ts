// SPDX-License-Identifier: Apache-2.0
// The benches of starts, against a node that is played.
import t from 'tap';
import { runCycles } from '../../src/bench/cycles.js';
import { measureStarts } from '../../src/bench/starts.js';
import { cycleRows, startRows } from '../../src/bench/starts-table.js';
import type { ContainerView } from '../../src/host/controller-api.js';
import type { NodeClient } from '../../src/node-api/client.js';
import { MIB } from '../../src/protocol/units.js';

/** A container of a zygote takes 2 MiB of the host, any takes its `ms` to start. */
class PlayedNode {
  readonly live = new Map<string, ContainerView>();
  readonly stopped: string[] = [];
  most = 0;
  #count = 0;

  readonly client = {
    info: async () => ({ accelerator: 'tcg', guestKernel: 'k', vmmVersion: 'v' }),
    place: async ({ startMode }: { startMode: string }) => {
      const containerId = `c-${this.#count++}`;
      const zygoteId = startMode === 'CRUN' ? null : 'c-z';
      await new Promise((done) => setTimeout(done, startMode === 'CRUN' ? 30 : 1));
      const view = {
        containerId,
        zygoteId,
        endpoint: '',
        stages: [{ name: 'ready', durationUs: 5 }],
      };
      this.live.set(containerId, view as unknown as ContainerView);
      this.most = Math.max(this.most, this.live.size);
      return view;
    },
    stop: async (id: string) => {
      this.stopped.push(id);
      this.live.delete(id);
      return { memoryReturn: { residentBytes: 2 * MIB, returnedBytes: 2 * MIB } };
    },
    reclaim: async () => {},
    sandboxes: async () => [
      { tenantId: 'starts', zygotes: [{ zygoteId: 'c-z', functionId: 'html' }] },
    ],
    memory: async () => ({
      sandboxes: ['starts', 'cycles'].map((tenantId) => ({
        tenantId,
        residentBytes: (100 + 2 * this.live.size) * MIB,
        zones: [
          ...[...this.live.keys()].map((containerId) => ({ containerId, residentBytes: MIB })),
          { containerId: 'c-z', residentBytes: 20 * MIB },
        ],
      })),
    }),
  } as unknown as NodeClient;
}

const quiet = { settle: async () => {}, say: () => {}, ask: async () => null };

t.test('both ways are measured beside as many containers as are asked for', async (t) => {
  const node = new PlayedNode();
  const starts = await measureStarts({
    ...quiet,
    client: node.client,
    functions: ['html'],
    counts: [4, 1],
    samples: 2,
    atOnce: 3,
    footprintOf: 8,
    requests: 2,
  });
  const [html] = starts.functions;
  t.strictSame(
    html?.beside.map(({ count }) => count),
    [1, 4],
  );
  t.ok((html?.beside[0]?.ratio ?? 0) > 2, 'crun takes longer');
  t.equal(html?.beside[1]?.crun.totalUs.count, 2);
  t.equal(html?.atOnce?.zygote.totalUs.count, 3);
  t.equal(html?.footprint?.eachAfterFirstBytes, 2 * MIB);
  t.equal(html?.footprint?.zoneAfterAllBytes, MIB);
  t.equal(html?.footprint?.zygoteBytes, 20 * MIB);
  t.equal(node.most, 8);
  t.equal(node.live.size, 0);
  t.ok(node.stopped.includes('c-z'), 'the zygote is ended, too');
  t.equal(startRows(starts).length, 4);
});

t.test('a wrong answer ends a measurement', async (t) => {
  const node = new PlayedNode();
  const options = { functionId: 'html', cycles: 2, atOnce: 1 };
  const ask = async () => 'status 500';
  await t.rejects(runCycles({ ...quiet, ...options, client: node.client, ask }), /status 500/);
});

t.test('cycles are counted, and what is left', async (t) => {
  const node = new PlayedNode();
  const cycles = await runCycles({
    ...quiet,
    client: node.client,
    functionId: 'html',
    cycles: 130,
    atOnce: 3,
  });
  t.match(cycles, { cycles: 130, fallbacks: 0, keptBytes: 0 });
  t.equal(cycles.lateBytes, cycles.earlyBytes);
  t.ok(cycleRows(cycles).length > 4);
});
