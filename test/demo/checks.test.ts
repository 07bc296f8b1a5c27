// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { verdicts } from '../../src/demo/checks.js';
import type { Recording } from '../../src/demo/recording.js';
import type { ContainerView } from '../../src/host/controller-api.js';
import type { SandboxId } from '../../src/protocol/ids.js';
import { goodRecording } from './fixture.js';

function failedAfter(change: (recording: Recording) => Recording | undefined): string[] {
  const recording = goodRecording();
  const changed = change(recording) ?? recording;
  return verdicts(changed)
    .filter(({ held }) => !held)
    .map(({ name, detail }) => `${name}: ${detail}`);
}

function changeView(recording: Recording, at: number, change: Partial<ContainerView>): void {
  const container = recording.containers[at];
  if (!container?.view) throw new Error('the fixture has this container');
  container.view = { ...container.view, ...change };
}

t.test('everything holds in a good run', async (t) => {
  t.same(
    failedAfter(() => undefined),
    [],
  );
});

t.test('a wrong answer', async (t) => {
  const failed = failedAfter((recording) => {
    recording.containers[2]?.failures.push({ atMs: 1, request: 'GET /', reason: 'status 500' });
    return undefined;
  });
  t.same(failed, ['every answer right: acme/json-1: GET /: status 500']);
});

t.test('a container that was never placed', async (t) => {
  const failed = failedAfter((recording) => {
    const container = recording.containers[8];
    if (container) container.view = null;
    return undefined;
  });
  t.match(failed, [/containers placed: globex\/linalg-1 was not placed/]);
});

t.test('nobody was forked from a zygote', async (t) => {
  const failed = failedAfter((recording) => {
    changeView(recording, 9, { zygoteId: null, startReason: 'the zygote has ended' });
    return undefined;
  });
  t.match(failed, [/no container was forked from a zygote \(the zygote has ended\)/]);
});

t.test('two tenants in one VM', async (t) => {
  const failed = failedAfter((recording) => {
    changeView(recording, 8, { sandboxId: 'vm-0a0a0a0a' as SandboxId });
    return undefined;
  });
  t.match(failed, [/no tenants share a VM: vm-0a0a0a0a holds acme and globex/]);
});

t.test('one byte that did not come back, or a range that is not whole again', async (t) => {
  const memory = {
    residentBytes: 4096,
    returnedBytes: 4095,
    earlyBytes: 0,
    unplugUs: 1,
    guestUs: 1,
  };
  for (const memoryReturn of [
    { ...memory, complete: true },
    { ...memory, returnedBytes: 4096, complete: false },
    { ...memory, residentBytes: 0, returnedBytes: 0, complete: true },
    null,
  ]) {
    const failed = failedAfter((recording) => {
      changeView(recording, 0, { memoryReturn });
      return undefined;
    });
    t.match(failed, [/every byte of every ended zone came back: acme\/html-1/]);
  }
});

t.test('an end that was not planned', async (t) => {
  const failed = failedAfter((recording) => {
    changeView(recording, 4, { exit: { reason: 'EXITED', exitCode: 0, signal: 0 } });
    changeView(recording, 0, { state: 'RUNNING', exit: null });
    return undefined;
  });
  t.match(failed, [/acme\/html-1 has not ended \(RUNNING\); acme\/json-2 .* is EXITED/]);
});

t.test('a reclaim that brought too little, and one that never was', async (t) => {
  const failed = failedAfter((recording) => ({
    ...recording,
    reclaims: recording.reclaims.slice(0, 1).map((one) => ({ ...one, returnedBytes: 1 })),
  }));
  t.match(failed, [/acme\/json-1 freed 64 MiB, 1 B came back; none was reclaimed while paused/]);
});

t.test('text in a zone, or none shared', async (t) => {
  const failed = failedAfter((recording) => ({
    ...recording,
    pages: recording.pages.map((seen) => ({ ...seen, textInZone: 3, sharedTextPages: 0 })),
  }));
  t.match(failed, [/acme\/html-1: 3 pages of text in its zone.*no two containers/]);
});

t.test('bytes, files and processes that are left, and a node that failed', async (t) => {
  const failed = failedAfter((recording) => {
    const { leftovers } = recording;
    const memory = leftovers?.memory;
    if (!leftovers || !memory) return undefined;
    const sandboxes = memory.sandboxes.map((one) => ({ ...one, strayBytes: 4096 }));
    recording.leftovers = {
      memory: { ...memory, sandboxes },
      nodeExitCode: 1,
      files: ['node.json'],
      processes: ['7 (qemu)'],
    };
    return undefined;
  });
  t.match(failed, [
    /no byte left in any region: .*4096 bytes outside any zone/,
    /the node ended with status 1; files: node\.json; processes: 7 \(qemu\)/,
  ]);
});

t.test('any other error', async (t) => {
  const failed = failedAfter((recording) => {
    recording.errors.push('acme: no answer');
    return undefined;
  });
  t.same(failed, ['nothing else went wrong: acme: no answer']);
});
