// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { roomOf } from '../../../src/host/ledger/budget.js';
import {
  decidePlacement,
  type PlacementQuestion,
  type SandboxRoom,
} from '../../../src/host/placement/placement.js';
import type { SandboxId, TenantId } from '../../../src/protocol/ids.js';
import { GIB, MIB } from '../../../src/protocol/units.js';
import { Random, SEEDS } from '../random.js';

const acme = 'acme' as TenantId;
const room = (id: string, fields: Partial<SandboxRoom> = {}): SandboxRoom => ({
  sandboxId: id as SandboxId,
  tenantId: acme,
  state: 'READY',
  largestFreeBytes: GIB,
  containerCount: 0,
  maxContainers: 200,
  imageFits: true,
  ...fields,
});
const ask = (fields: Partial<PlacementQuestion> = {}) =>
  decidePlacement({
    tenantId: acme,
    zoneBytes: 64 * MIB,
    firstBytes: 10 * MIB,
    sandboxes: [],
    maxSandboxes: 4,
    bootMemoryBytes: 256 * MIB,
    promisableBytes: 8 * GIB,
    spareBytes: 8 * GIB,
    budgetBytes: 8 * GIB,
    ...fields,
  });

t.test('random nodes: tenants are never mixed and limits never broken', async (t) => {
  const states = ['BOOTING', 'READY', 'RECOVERING', 'STOPPING', 'FAILED'] as const;
  let used = 0;
  for (const seed of SEEDS) {
    const random = new Random(seed);
    for (let step = 0; step < 400; step += 1) {
      const tenants = ['a', 'b', 'c'] as TenantId[];
      const question: PlacementQuestion = {
        tenantId: random.pick(tenants),
        zoneBytes: (2 + random.below(100)) * 2 * MIB,
        sandboxes: Array.from({ length: random.below(6) }, (_, index) =>
          room(`vm-${index}`, {
            tenantId: random.pick(tenants),
            state: random.pick(states),
            largestFreeBytes: random.below(128) * 2 * MIB,
            containerCount: random.below(4),
            maxContainers: 3,
            imageFits: random.below(4) > 0,
          }),
        ),
        maxSandboxes: 1 + random.below(6),
        bootMemoryBytes: 256 * MIB,
        firstBytes: 2 * MIB + random.below(2) * 2 * MIB,
        promisableBytes: random.below(300) * 2 * MIB,
        spareBytes: random.below(10) === 0 ? random.below(4) * MIB : GIB,
        budgetBytes: GIB,
      };
      const decision = decidePlacement(question);
      const fits = (sandbox: SandboxRoom) =>
        sandbox.tenantId === question.tenantId &&
        ['READY', 'BOOTING', 'RECOVERING'].includes(sandbox.state) &&
        sandbox.largestFreeBytes >= question.zoneBytes &&
        sandbox.containerCount < sandbox.maxContainers &&
        sandbox.imageFits;
      const where = `seed ${seed} step ${step}`;
      if (decision.kind !== 'refuse') {
        const bootBytes = decision.kind === 'boot' ? question.bootMemoryBytes : 0;
        if (
          question.zoneBytes + bootBytes > question.promisableBytes ||
          question.firstBytes + bootBytes > question.spareBytes
        ) {
          t.fail(`${where}: more than the budget`);
        }
      }
      if (decision.kind === 'use') {
        used += 1;
        const chosen = question.sandboxes.find(({ sandboxId }) => sandboxId === decision.sandboxId);
        if (chosen === undefined || !fits(chosen)) t.fail(`${where}: a VM that must not be used`);
      } else if (decision.kind === 'boot') {
        if (question.sandboxes.some(fits)) t.fail(`${where}: booted where a VM had room`);
        if (question.sandboxes.length >= question.maxSandboxes) t.fail(`${where}: too many VMs`);
      }
    }
  }
  t.ok(used > 500, `${used} placements into running VMs were seen`);
});

t.test('the tightest VM of the tenant wins', async (t) => {
  const decision = ask({
    sandboxes: [room('vm-1'), room('vm-2', { largestFreeBytes: 100 * MIB }), room('vm-3')],
  });
  t.match(decision, { kind: 'use', sandboxId: 'vm-2', reason: /100 MiB in one piece/ });
});

t.test('reasons name the numbers', async (t) => {
  t.match(ask(), { kind: 'boot', reason: 'tenant acme has no VM' });
  t.match(ask({ sandboxes: [room('vm-1', { largestFreeBytes: 0 })] }), {
    kind: 'boot',
    reason: 'vm-1 has no 64 MiB in one piece',
  });
  t.match(ask({ promisableBytes: 10 * MIB }), { kind: 'refuse', reason: /10 MiB of 8 GiB left/ });
  t.match(ask({ spareBytes: 6 * MIB }), { kind: 'refuse', reason: /6 MiB of 8 GiB left/ });
  const others = { tenantId: 'other' as TenantId };
  t.match(ask({ sandboxes: [room('vm-1', others)], maxSandboxes: 1 }), {
    kind: 'refuse',
    reason: /runs 1 of at most 1 VMs/,
  });
});

t.test('sizes are held against the budget, limits against what may be promised', async (t) => {
  const vm = {
    bootMemoryBytes: 256 * MIB,
    committedBytes: 20 * MIB,
    promisedBytes: 100 * MIB,
  };
  t.same(roomOf({ budgetBytes: GIB, overcommit: 1 }, [vm, vm]), {
    spareBytes: GIB - 552 * MIB,
    promisableBytes: GIB - 712 * MIB,
  });
  t.same(roomOf({ budgetBytes: GIB, overcommit: 1.5 }, [vm]), {
    spareBytes: GIB - 276 * MIB,
    promisableBytes: 1.5 * GIB - 356 * MIB,
  });
  t.same(roomOf({ budgetBytes: 100 * MIB, overcommit: 1 }, [vm]), {
    spareBytes: 0,
    promisableBytes: 0,
  });
});
