// SPDX-License-Identifier: Apache-2.0
// Reads the KTAP of the selftests' init: programs, each with cases of its own.

export interface Case {
  readonly name: string;
  readonly ok: boolean;
  readonly skipped: string | null;
  /** What it printed, for a failure. */
  readonly output: readonly string[];
}

export interface Program {
  readonly name: string;
  readonly ok: boolean;
  readonly skipped: boolean;
  readonly cases: readonly Case[];
  /** What is wrong with the stream itself: a missing plan, cases that never came. */
  readonly problems: readonly string[];
}

export interface Report {
  readonly programs: readonly Program[];
  readonly problems: readonly string[];
}

const PLAN = /^1\.\.(\d+)/;
const RESULT = /^(not )?ok (\d+)(?: -)? *([^#]*?) *(?:# *SKIP\b *(.*))?$/;

interface Level {
  plan: number | null;
  results: Case[];
  output: string[];
}

const emptyLevel = (): Level => ({ plan: null, results: [], output: [] });

/** Takes the line where it is a plan or a result; else keeps it as output. */
function take(level: Level, line: string): Case | null {
  const plan = PLAN.exec(line);
  if (plan) {
    level.plan = Number(plan[1]);
    return null;
  }
  const result = RESULT.exec(line);
  if (!result) {
    level.output.push(line);
    return null;
  }
  const found: Case = {
    name: result[3] ?? '',
    ok: !result[1],
    skipped: result[4] === undefined ? null : result[4],
    output: level.output,
  };
  level.output = [];
  level.results.push(found);
  return found;
}

function problemsOf(level: Level, name: string): string[] {
  if (level.plan === null) return [`${name}: no plan line`];
  if (level.plan !== level.results.length) {
    return [`${name}: ${level.plan} planned, ${level.results.length} reported`];
  }
  return [];
}

/** `text`: all that the init printed. Lines of two spaces belong to the program that runs. */
export function readKtap(text: string): Report {
  const outer = emptyLevel();
  let inner = emptyLevel();
  const programs: Program[] = [];
  let done = false;
  for (const raw of text.split('\n')) {
    const line = raw.trimEnd();
    if (line.startsWith('  ')) {
      take(inner, line.slice(2));
      continue;
    }
    if (line === '# done') done = true;
    const result = take(outer, line);
    if (!result) continue;
    const skipped = result.skipped !== null;
    programs.push({
      name: result.name,
      ok: result.ok,
      skipped,
      cases: inner.results,
      problems: skipped ? [] : problemsOf(inner, result.name),
    });
    inner = emptyLevel();
  }
  const problems = problemsOf(outer, 'the run');
  if (outer.plan === 0) problems.push('the run: no test');
  if (!done) problems.push('the run did not come to its end');
  return { programs, problems };
}

/** A kernel's complaints. OOM kills print call traces too, and are part of the tests. */
const SPLAT =
  /\bBUG\b|WARNING:|\bOops\b|general protection fault|INFO: (?:task|rcu|trying to register|possible)|Kernel panic|(?:UBSAN|KASAN|KFENCE):|unable to handle|page_table_check/;

/** Lines of the kernel's log that must not be there. */
export function splats(log: string): string[] {
  return log.split('\n').filter((line) => SPLAT.test(line));
}
