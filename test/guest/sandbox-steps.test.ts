// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { ociConfig } from '../../src/guest/oci-config.js';
import { readStartRequest } from '../../src/guest/request.js';
import {
  COMMON_STEPS,
  describeFailure,
  encodeSandbox,
  sandboxSteps,
} from '../../src/guest/sandbox-steps.js';
import { startRequest } from './start-request.js';

const spec = readStartRequest(startRequest({ address: '10.0.2.30' }));
const config = ociConfig(spec, { rootPath: '/b/rootfs', networkNamespace: '/run/netns/n-0' });
const parts = sandboxSteps({ spec, lower: '/images/x', scratch: '/b/rw', root: '/b/rootfs' });
const steps = [...parts.own, ...COMMON_STEPS, ...parts.last];
const at = (act: string, path?: string) =>
  steps.findIndex(
    (step) => step.act === act && (path === undefined || ('path' in step && step.path === path)),
  );

t.test('what has a path of the image lies in the overlay, which becomes the root', async (t) => {
  t.ok(at('mount', '/b/rootfs') >= 0 && at('mount', '/b/rootfs') < at('chdir', '/b/rootfs'));
  for (const step of steps.slice(0, at('chdir'))) {
    t.ok(step.act === 'address' || ('path' in step && step.path.startsWith('/b/')), step.act);
  }
  for (const step of steps.slice(at('chdir') + 1, at('pivot'))) {
    t.ok('path' in step && !step.path.startsWith('/'), JSON.stringify(step));
  }
  t.match(steps[at('pivot')], { path: '/b/rootfs' });
});

t.test('a directory is checked not to be a link before anything is mounted on it', async (t) => {
  for (const { destination } of config.mounts) {
    const path = destination.slice(1);
    t.equal(at('mount', path), at('mkdir', path) + 1, destination);
  }
});

t.test('/proc is of the new namespace, and what it tells of the VM is hidden', async (t) => {
  const proc = at('mount', 'proc');
  t.match(steps[proc], { type: 'proc', number: 2 | 4 | 8, data: 'pidns=children' });
  for (const path of config.linux.maskedPaths) t.ok(at('mask', path.slice(1)) > proc, path);
  for (const path of config.linux.readonlyPaths) t.ok(at('readOnly', path.slice(1)) > proc, path);
});

t.test('every mount of the configuration is made, in its order, with its options', async (t) => {
  const made = config.mounts.map(({ destination }) => at('mount', destination.slice(1)));
  t.strictSame(
    [...made].sort((a, b) => a - b),
    made,
  );
  t.notOk(made.includes(-1));
  t.match(steps[at('mount', 'dev')], { number: 2 | 8, data: 'mode=755,size=64k' });
});

t.test('address, name and directory are those of the container', async (t) => {
  t.match(steps[at('address')], { source: '10.0.2.30', data: '10.0.2.2' });
  t.match(steps[at('hostname')], { source: 'fn' });
  t.ok(at('chdir', '/app') === steps.length - 1);
});

t.test('all of them are sent, and a failure names its step', async (t) => {
  const texts = encodeSandbox(parts).split('\0');
  t.equal(texts.length, steps.length * 7 + 1);
  t.strictSame(
    steps.map((_, index) => texts[index * 7]),
    steps.map(({ act }) => act),
  );
  const step = at('mask', 'proc/kcore');
  t.equal(describeFailure({ step, code: 'EPERM' }, parts), 'mask proc/kcore (EPERM)');
  t.equal(
    describeFailure({ step: steps.length - 1, code: 'ENOENT' }, parts),
    'chdir /app (ENOENT)',
  );
  t.equal(describeFailure({ step: -2, code: 'EPERM' }, parts), 'the network (EPERM)');
  t.equal(describeFailure({ step: 999, code: 'EPERM' }, parts), 'step 999 (EPERM)');
});
