// SPDX-License-Identifier: Apache-2.0
// The selftests of the kernel series, in a VM with the debug kernel. Each case is
// a test here. CZONE_SELFTEST_ONLY=NAME runs the programs whose name has NAME.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ensureArtifact } from '../../src/artifacts/ensure.js';
import type { Case, Program } from '../../src/kernel-dev/ktap.js';
import { runSelftests } from '../../src/kernel-dev/selftests.js';

// Under software emulation on two cores that had other VMs to run, it took 17 minutes.
const BOOT_TIMEOUT_MS = 40 * 60_000;
// Building the debug kernel from nothing comes before.
const BUILD_TIMEOUT_MS = 60 * 60_000;

t.setTimeout(BOOT_TIMEOUT_MS + BUILD_TIMEOUT_MS);

const kernel = await ensureArtifact('kernel-debug');
const qemu = await ensureArtifact('qemu');
const result = await runSelftests({
  qemuPath: join(qemu.dir, 'qemu-system-x86_64'),
  kernelPath: join(kernel.dir, 'bzImage'),
  initramfsPath: join(kernel.dir, 'selftests.cpio.gz'),
  timeoutMs: BOOT_TIMEOUT_MS,
  only: process.env['CZONE_SELFTEST_ONLY'],
});
const { report } = result;

const tail = (text: string, lines: number) => text.trimEnd().split('\n').slice(-lines).join('\n');

t.test('the VM ran to its end', async (t) => {
  const evidence = { kernelLog: tail(result.log, 60), tests: tail(result.output, 20) };
  t.notOk(result.timedOut, `no end within ${BOOT_TIMEOUT_MS / 60_000} minutes`, evidence);
  t.equal(result.status, 0, 'QEMU ended by itself', { ...evidence, stderr: result.stderr });
  t.same(report.problems, [], 'the stream is whole', evidence);
});

t.test('the kernel did not complain', async (t) => {
  t.same(result.splats, [], 'no splat in its log', { kernelLog: tail(result.log, 120) });
});

function addCase(t: Test, { name, ok, skipped, output }: Case): void {
  if (skipped !== null) t.pass(name, { skip: skipped || 'skipped by the test' });
  else t.ok(ok, name, { output: output.join('\n') });
}

function addProgram({ name, ok, skipped, cases, problems }: Program): void {
  t.test(name, { skip: skipped }, async (t) => {
    for (const one of cases) addCase(t, one);
    t.same(problems, [], 'all that it planned was reported');
    t.ok(ok || cases.some((one) => !one.ok), 'it ended well, or says which case did not');
  });
}

for (const program of report.programs) addProgram(program);
