// SPDX-License-Identifier: Apache-2.0
// Runs all static checks and prints them, one line each; output only of what failed.
import { availableParallelism } from 'node:os';
import { staticChecks } from './checks.js';
import { type CheckResult, runChecks } from './run-checks.js';
import { sourceFiles } from './source-files.js';

const OUTPUT_MAX_LINES = 60;

function printResult(result: CheckResult): void {
  const seconds = (result.durationMs / 1000).toFixed(1);
  console.log(`${result.passed ? 'ok    ' : 'FAILED'} ${result.name} (${seconds} s)`);
  if (result.passed) return;
  const lines = result.output.trimEnd().split('\n');
  for (const line of lines.slice(0, OUTPUT_MAX_LINES)) console.log(`       ${line}`);
  if (lines.length > OUTPUT_MAX_LINES) {
    console.log(`       … ${lines.length - OUTPUT_MAX_LINES} more lines`);
  }
}

export async function printChecks(root: string): Promise<{ passed: number; failed: number }> {
  const checks = staticChecks(root, sourceFiles(root));
  const results = await runChecks(root, checks, availableParallelism(), printResult);
  const passed = results.filter((result) => result.passed).length;
  return { passed, failed: results.length - passed };
}
