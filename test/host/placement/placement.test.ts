// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { freeBudgetBytes } from '../../../src/host/ledger/budget.js';
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
    sandboxes: [],
    maxSandboxes: 4,
    bootMemoryBytes: 256 * MIB,
    freeBudgetBytes: 8 * GIB,
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
        freeBudgetBytes: random.below(300) * 2 * MIB,
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
      if (decision.kind !== 'refuse' && question.zoneBytes > question.freeBudgetBytes) {
        t.fail(`${where}: more than the budget`);
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
  t.match(ask({ freeBudgetBytes: 10 * MIB }), { kind: 'refuse', reason: /10 MiB of 8 GiB left/ });
  const others = { tenantId: 'other' as TenantId };
  t.match(ask({ sandboxes: [room('vm-1', others)], maxSandboxes: 1 }), {
    kind: 'refuse',
    reason: /runs 1 of at most 1 VMs/,
  });
});

t.test('the budget counts boot memory and zones, and is never below zero', async (t) => {
  const vm = { bootMemoryBytes: 256 * MIB, takenBytes: 100 * MIB };
  t.equal(freeBudgetBytes(GIB, [vm, vm]), GIB - 712 * MIB);
  t.equal(freeBudgetBytes(100 * MIB, [vm]), 0);
});
