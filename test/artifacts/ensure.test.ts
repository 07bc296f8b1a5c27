// SPDX-License-Identifier: Apache-2.0
// Builds by small scripts: once for any number of askers, whole or not at all.
import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { lockFile } from '../../src/artifacts/cache.js';
import { removeStaleTmp } from '../../src/artifacts/clean.js';
import { ensureArtifact } from '../../src/artifacts/ensure.js';
import { ensureArtifacts } from '../../src/artifacts/ensure-all.js';
import { listArtifacts } from '../../src/artifacts/list.js';
import { tryLock } from '../../src/artifacts/lock.js';
import { checkoutWith, GOOD_SCRIPT } from './checkout-fixture.js';

t.test('builds what is missing, and finds it the next time', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  const steps: string[] = [];
  const first = await ensureArtifact('qemu', {
    ...fixture,
    onProgress: ({ artifact, done, total, what }) =>
      steps.push(`${artifact} ${done}/${total} ${what}`),
  });
  t.equal(first.built, true);
  t.same(steps, ['qemu 0/2 first', 'qemu 1/2 second', 'qemu 2/2 done']);
  t.equal(await readFile(join(first.dir, 'version'), 'utf8'), 'version\n');

  t.same(await ensureArtifact('qemu', fixture), { ...first, built: false });
  t.same(await fixture.entries(), ['calls', `qemu-${first.hash}`]);
});

t.test('a build that is to be idle yields the processors to all others', async (t) => {
  const fixture = await checkoutWith(t, `${GOOD_SCRIPT}chrt -p $$ >"$1/policy"\n`);
  const policyOf = async (idle: boolean) => {
    const { dir } = await ensureArtifact('qemu', { ...fixture, idle });
    const policy = await readFile(join(dir, 'policy'), 'utf8');
    await rm(dir, { recursive: true });
    return policy;
  };
  t.match(await policyOf(true), /SCHED_IDLE/);
  t.notMatch(await policyOf(false), /SCHED_IDLE/);
});

t.test('many askers at once cause one build', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  const all = await Promise.all(Array.from({ length: 4 }, () => ensureArtifact('qemu', fixture)));
  t.equal(all.filter(({ built }) => built).length, 1);
  t.equal(await readFile(join(fixture.cacheDir, 'calls'), 'utf8'), 'x\n');
});

t.test('a changed input makes another version; the oldest go', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  const first = await ensureArtifact('qemu', fixture);
  await utimes(first.dir, 1, 1);
  await fixture.setScript(`${GOOD_SCRIPT}# 2\n`);
  const second = await ensureArtifact('qemu', fixture);
  t.not(second.hash, first.hash);
  t.same(await fixture.entries(), [
    'calls',
    ...[`qemu-${first.hash}`, `qemu-${second.hash}`].sort(),
  ]);
  await fixture.setScript(`${GOOD_SCRIPT}# 3\n`);
  const third = await ensureArtifact('qemu', fixture);
  t.same(await fixture.entries(), [
    'calls',
    ...[`qemu-${second.hash}`, `qemu-${third.hash}`].sort(),
  ]);
});

t.test('a version that lost a file is built again', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  const { dir } = await ensureArtifact('qemu', fixture);
  await writeFile(join(dir, 'version'), '');
  t.equal((await ensureArtifact('qemu', fixture)).built, true);
  t.equal(await readFile(join(dir, 'version'), 'utf8'), 'version\n');
});

t.test('a failure names artifact, step, log and the last lines', async (t) => {
  const fixture = await checkoutWith(
    t,
    '#!/bin/sh\necho "progress 1/3 fetch"\necho "the mirror said no" >&2\nexit 3\n',
  );
  const logFile = join(fixture.cacheDir, 'logs', 'qemu.log');
  await t.rejects(ensureArtifact('qemu', fixture), {
    code: 'INTERNAL',
    message: /qemu failed \(status 3\) at 'fetch'.*qemu\.log.*\n {2}the mirror said no$/,
    failure: { artifact: 'qemu', step: 'fetch', logFile },
  });
  t.match(await readFile(logFile, 'utf8'), 'the mirror said no');
  t.same(await fixture.entries(), []);
});

t.test('a script that leaves too little has failed', async (t) => {
  const fixture = await checkoutWith(t, '#!/bin/sh\nmkdir "$1/bin"; echo 1 >"$1/version"\n');
  await t.rejects(ensureArtifact('qemu', fixture), { message: /left no qemu-system-x86_64/ });
  t.same(await fixture.entries(), []);
});

t.test('an interrupted build ends its script and leaves nothing', async (t) => {
  const fixture = await checkoutWith(
    t,
    `#!/bin/bash
trap 'echo ended >"$CZONE_CACHE_DIR/ended"; exit 143' TERM
echo "progress 1/2 wait"
sleep 600 & wait $!
`,
  );
  const controller = new AbortController();
  await t.rejects(
    ensureArtifact('qemu', {
      ...fixture,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    }),
    { code: 'ABORTED', failure: { step: 'wait' } },
  );
  t.same(await fixture.entries(), ['ended']);
  const lock = await tryLock(lockFile(fixture.cacheDir, 'qemu'));
  t.ok(lock, 'the lock is free again');
  await lock?.release();
});

t.test('a signal to this process interrupts a build', async (t) => {
  const fixture = await checkoutWith(t, '#!/bin/sh\necho "progress 1/2 wait"\nexec sleep 600\n');
  const listeners = process.listenerCount('SIGTERM');
  await t.rejects(
    ensureArtifact('qemu', { ...fixture, onProgress: () => process.kill(process.pid, 'SIGTERM') }),
    { code: 'ABORTED' },
  );
  t.same(await fixture.entries(), []);
  t.equal(process.listenerCount('SIGTERM'), listeners);
});

t.test('what a killed builder left goes, what a live one builds stays', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  const stale = join(fixture.cacheDir, 'qemu-0123456789abcdef.tmp-1');
  await mkdir(join(stale, 'out'), { recursive: true });
  const lock = await tryLock(lockFile(fixture.cacheDir, 'qemu'));
  t.same(await removeStaleTmp(fixture.cacheDir), [], 'its lock is held');
  await lock?.release();
  t.same(await removeStaleTmp(fixture.cacheDir), ['qemu-0123456789abcdef.tmp-1']);

  await mkdir(stale);
  const { hash } = await ensureArtifact('qemu', fixture);
  t.same(await fixture.entries(), ['calls', `qemu-${hash}`], 'a build cleans up before');
});

t.test('an asker waits for another process that builds, and says so', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  const lock = await tryLock(lockFile(fixture.cacheDir, 'qemu'));
  t.equal(await tryLock(lockFile(fixture.cacheDir, 'qemu')), null);
  const steps: string[] = [];
  const { built } = await ensureArtifact('qemu', {
    ...fixture,
    onProgress: ({ what }) => {
      if (steps.push(what) === 1) void lock?.release();
    },
  });
  t.equal(built, true);
  t.match(steps[0], 'wait for another process');

  const held = await tryLock(lockFile(fixture.cacheDir, 'qemu'));
  await rm(join(fixture.cacheDir, 'logs'), { recursive: true });
  await fixture.setScript(`${GOOD_SCRIPT}# changed\n`);
  const controller = new AbortController();
  await t.rejects(
    ensureArtifact('qemu', {
      ...fixture,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    }),
    { code: 'ABORTED' },
    'waiting can be interrupted',
  );
  await held?.release();
});

t.test('unknown names and missing inputs are said by name', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  await t.rejects(ensureArtifact('function-nope', fixture), {
    code: 'NOT_FOUND',
    message: /'function-nope'; there are: kernel, .*function-html/,
  });
  await t.rejects(ensureArtifact('function-html', fixture), {
    code: 'FAILED_PRECONDITION',
    message: /function-html cannot be built: .* is missing/,
  });
});

t.test('the first failure ends the other builds', async (t) => {
  const fixture = await checkoutWith(
    t,
    `#!/bin/sh
until grep -qs compile "$CZONE_CACHE_DIR/logs/kernel.log"; do sleep 0.05; done
exit 1
`,
  );
  const built: string[] = [];
  await t.rejects(
    ensureArtifacts(['kernel', 'qemu'], {
      ...fixture,
      onProgress: ({ artifact }) => built.push(artifact),
    }),
    { message: /the build of qemu failed/ },
  );
  t.same(built, ['kernel'], 'the kernel was being built');
  t.same(await fixture.entries(), []);
});

/** Writes what the shared directory held before it. */
const SHARING_SCRIPT = `#!/bin/sh
for file in bzImage config czone_bench gen_init_cpio; do
  { echo made by "$1"; cat "$CZONE_SCRATCH_DIR/tree" 2>/dev/null; } >"$2/$file"
done
echo "left by $1" >"$CZONE_SCRATCH_DIR/tree"
`;

t.test(
  'builds of one run may leave something for the next, and it goes with the run',
  async (t) => {
    const fixture = await checkoutWith(t, GOOD_SCRIPT);
    await fixture.setKernelScript(SHARING_SCRIPT);
    const [kernel, bench] = await ensureArtifacts(['kernel', 'kernel-bench'], fixture);
    t.equal(await readFile(join(kernel?.dir ?? '', 'config'), 'utf8'), 'made by release\n');
    t.equal(
      await readFile(join(bench?.dir ?? '', 'config'), 'utf8'),
      'made by bench\nleft by release\n',
    );
    t.same(
      await fixture.entries(),
      [`kernel-${kernel?.hash}`, `kernel-bench-${bench?.hash}`].sort(),
    );
  },
);

t.test('a run whose shared directory another run has does without', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  await fixture.setScript(
    GOOD_SCRIPT.replace('echo x', `echo "scratch=$\{CZONE_SCRATCH_DIR-none}"`),
  );
  const lock = await tryLock(lockFile(fixture.cacheDir, 'scratch'));
  t.teardown(() => lock?.release());
  await ensureArtifacts(['qemu'], fixture);
  t.equal(await readFile(join(fixture.cacheDir, 'calls'), 'utf8'), 'scratch=none\n');
});

t.test('what a run shared that was cut off goes before the next', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  await mkdir(join(fixture.cacheDir, 'scratch-0000000000000000.tmp-1', 'linux'), {
    recursive: true,
  });
  const [qemu] = await ensureArtifacts(['qemu'], fixture);
  t.same(await fixture.entries(), ['calls', `qemu-${qemu?.hash}`]);
});

t.test('the list tells what is built and what cannot be', async (t) => {
  const fixture = await checkoutWith(t, GOOD_SCRIPT);
  const { hash, dir } = await ensureArtifact('qemu', fixture);
  const list = await listArtifacts(fixture);
  t.match(
    list.find(({ name }) => name === 'qemu'),
    { hash, dir, present: true, problem: null },
  );
  t.ok((list.find(({ name }) => name === 'qemu')?.sizeBytes ?? 0) > 0);
  const rootfs = list.find(({ name }) => name === 'rootfs');
  t.match(rootfs, { hash: null, present: false, sizeBytes: 0, problem: /is missing/ });
});
