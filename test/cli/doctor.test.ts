// SPDX-License-Identifier: Apache-2.0
// What the doctor says of hosts that lack something.
import t from 'tap';
import type { HostFacts } from '../../src/cli/doctor/facts.js';
import { atLeast, judge } from '../../src/cli/doctor/judge.js';
import { GIB, MIB } from '../../src/protocol/units.js';

const GOOD: HostFacts = {
  system: { ids: ['debian'], version: '12', name: 'Debian GNU/Linux 12 (bookworm)' },
  architecture: 'x64',
  nodeVersion: '20.20.2',
  nodeVersionMin: '20.17',
  uid: 0,
  missingPackages: [],
  addonError: null,
  accelerator: { kind: 'kvm', reason: 'a trial VM ran under KVM' },
  availableMemoryBytes: 20 * GIB,
  memoryLimitBytes: null,
  overcommitMode: 0,
  memfdNoexec: 0,
  openFilesMax: 1_048_576,
  cacheDir: '/var/cache/czone',
  cacheFreeBytes: 50 * GIB,
  missingArtifacts: [],
  runDir: '/run/czone',
  node: { kind: 'none' },
};

t.test('a host that has everything', (t) => {
  const findings = judge(GOOD);
  t.ok(findings.every(({ status, mend }) => status === 'ok' && mend === null));
  t.equal(new Set(findings.map(({ name }) => name)).size, findings.length, 'names are unique');
  t.end();
});

const CASES: [name: string, change: Partial<HostFacts>, status: string, mend: RegExp][] = [
  ['system', { architecture: 'arm64' }, 'fail', /x86-64/],
  ['system', { system: { ids: ['fedora'], version: '41', name: 'Fedora' } }, 'fail', /Debian 12/],
  ['system', { system: { ids: ['debian'], version: '11', name: '' } }, 'fail', /upgrade/],
  ['Node.js', { nodeVersion: '20.9.0' }, 'fail', /20\.17/],
  ['privileges', { uid: 1000 }, 'warn', /root/],
  ['Debian packages', { missingPackages: ['bc', 'flex'] }, 'fail', /apt-get install .*bc flex/],
  ['Debian packages', { missingPackages: null }, 'fail', /Debian/],
  ['native addon', { addonError: 'it does not load' }, 'fail', /node-gyp rebuild/],
  ['acceleration', { accelerator: { kind: 'tcg', reason: 'no vmx' } }, 'warn', /\/dev\/kvm/],
  ['memory', { availableMemoryBytes: 2 * GIB }, 'warn', /4 GiB/],
  ['memory', { availableMemoryBytes: 300 * MIB }, 'fail', /768 MiB/],
  ['memory', { memoryLimitBytes: 300 * MIB }, 'fail', /768 MiB/],
  ['overcommit', { overcommitMode: 2 }, 'warn', /overcommit_memory=0/],
  ['memory files', { memfdNoexec: 2 }, 'fail', /memfd_noexec=1/],
  ['open files', { openFilesMax: 4096 }, 'warn', /ulimit/],
  ['open files', { openFilesMax: 256 }, 'fail', /ulimit/],
  ['disk space', { cacheFreeBytes: null }, 'fail', /CZONE_CACHE_DIR/],
  ['disk space', { cacheFreeBytes: 100 * MIB }, 'fail', /1 GiB/],
  ['artifacts', { missingArtifacts: ['kernel'] }, 'warn', /\.\/czone images/],
  ['node', { node: { kind: 'dead' } }, 'warn', /cleans up/],
  ['node', { node: { kind: 'unusable', why: 'EACCES' } }, 'fail', /--run-dir/],
];

t.test('a host that lacks one thing: that is told, with how to mend it, and nothing else', (t) => {
  for (const [name, change, status, mend] of CASES) {
    const wrong = judge({ ...GOOD, ...change }).filter((finding) => finding.status !== 'ok');
    t.match(wrong, [{ name, status, mend }], JSON.stringify(change));
    t.equal(wrong.length, 1);
  }
  t.end();
});

t.test('a build wants more disk space than a run', (t) => {
  const disk = (change: Partial<HostFacts>) =>
    judge({ ...GOOD, ...change }).find(({ name }) => name === 'disk space')?.status;
  const missingArtifacts = ['kernel'];
  t.equal(disk({ cacheFreeBytes: 8 * GIB }), 'ok');
  t.equal(disk({ cacheFreeBytes: 8 * GIB, missingArtifacts }), 'warn');
  t.equal(disk({ cacheFreeBytes: 4 * GIB, missingArtifacts }), 'fail');
  t.end();
});

t.test('a Debian derivative with its own version is fine', (t) => {
  const system = { ids: ['ubuntu', 'debian'], version: '9.04', name: 'Ubuntu' };
  t.equal(judge({ ...GOOD, system })[0]?.status, 'ok');
  t.end();
});

t.test('versions compare by number', (t) => {
  t.ok(atLeast('20.17.0', '20.17'));
  t.ok(atLeast('22.0.0', '20.17'));
  t.notOk(atLeast('20.9.1', '20.17'));
  t.end();
});
