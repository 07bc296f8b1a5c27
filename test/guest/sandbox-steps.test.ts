// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { ociConfig } from '../../src/guest/oci-config.js';
import { readStartRequest } from '../../src/guest/request.js';
import { sandboxSteps } from '../../src/guest/sandbox-steps.js';
import { startRequest } from './start-request.js';

const spec = readStartRequest(startRequest());
const config = ociConfig(spec, { rootPath: '/b/rootfs', networkNamespace: '/run/netns/n-0' });
const steps = sandboxSteps({
  config,
  overlay: { lower: '/images/x', scratch: '/b/rw', root: '/b/rootfs', sizeBytes: 4096 },
  address: '10.0.2.30',
});
const at = (act: string, path?: string) =>
  steps.findIndex(
    (step) => step.act === act && (path === undefined || ('path' in step && step.path === path)),
  );

t.test(
  'all that has a path of the image lies in the overlay, which becomes the root',
  async (t) => {
    const overlay = at('mount', '/b/rootfs');
    t.ok(overlay >= 0 && overlay < at('pivot'));
    for (const step of steps.slice(overlay, at('pivot'))) {
      t.ok('path' in step && step.path.startsWith('/b/rootfs'), JSON.stringify(step));
    }
  },
);

t.test('a directory is checked not to be a link before anything is mounted on it', async (t) => {
  for (const { destination } of config.mounts) {
    const path = `/b/rootfs${destination}`;
    t.equal(at('mount', path), at('mkdir', path) + 1, destination);
  }
});

t.test('/proc is of the new namespace, and what it tells of the VM is hidden', async (t) => {
  const proc = at('mount', '/b/rootfs/proc');
  t.match(steps[proc], { type: 'proc', number: 2 | 4 | 8, data: 'pidns=children' });
  for (const path of config.linux.maskedPaths) t.ok(at('mask', `/b/rootfs${path}`) > proc, path);
  for (const path of config.linux.readonlyPaths) {
    t.ok(at('readOnly', `/b/rootfs${path}`) > proc, path);
  }
});

t.test('every mount of the configuration is made, in its order, with its options', async (t) => {
  const made = config.mounts.map(({ destination }) => at('mount', `/b/rootfs${destination}`));
  t.strictSame(
    [...made].sort((a, b) => a - b),
    made,
  );
  t.notOk(made.includes(-1));
  t.match(steps[at('mount', '/b/rootfs/dev')], { number: 2 | 8, data: 'mode=755,size=64k' });
});

t.test('address, name and directory are those of the container', async (t) => {
  t.match(steps[at('address')], { source: '10.0.2.30', data: '10.0.2.2' });
  t.match(steps[at('hostname')], { source: 'fn' });
  t.ok(at('chdir', '/app') === steps.length - 1);
});
