// SPDX-License-Identifier: Apache-2.0
// An artifact, built if it is not there yet. Any number of processes may ask at
// once: one builds, the others wait and then find it.
import { copyFile, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../protocol/errors.js';
import { ArtifactError } from './artifact-error.js';
import { buildDir, defaultCacheDir, entryDir, lockFile, logDir } from './cache.js';
import { removeBuilds, removeOldVersions } from './clean.js';
import { contentHash } from './content-hash.js';
import { checkRoom, freeBytes } from './disk-space.js';
import { takeLock } from './lock.js';
import type { Progress } from './progress.js';
import { type ArtifactName, type Recipe, recipeOf } from './recipes.js';
import { runScript, type ScriptEnd } from './run-script.js';
import type { Scratch } from './scratch.js';

/** dist/src/artifacts lies three folders below the checkout. */
export const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url));

export interface EnsureOptions {
  readonly cacheDir?: string;
  readonly checkout?: string;
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the build; so do SIGINT, SIGTERM and SIGHUP while one runs. */
  readonly signal?: AbortSignal;
  /** Builds only when nobody else wants the processors. */
  readonly idle?: boolean;
  /** Whoever makes it removes it. */
  readonly scratch?: Scratch | undefined;
}

export interface Artifact {
  readonly name: ArtifactName;
  readonly dir: string;
  readonly hash: string;
  /** false: it was there. */
  readonly built: boolean;
}

interface Context {
  readonly cacheDir: string;
  readonly checkout: string;
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
  readonly idle: boolean;
  readonly scratch: Scratch | undefined;
}

const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Rejects with ArtifactError or CzoneError; then nothing is left but the log. */
export async function ensureArtifact(name: string, options: EnsureOptions = {}): Promise<Artifact> {
  const checkout = options.checkout ?? CHECKOUT;
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const recipe = await recipeOf(checkout, name);
  const hash = await artifactHash(checkout, recipe);
  const dir = entryDir(cacheDir, recipe.name, hash);
  if ((await missingOutput(recipe, dir)) === null) return found(recipe, dir, hash);

  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  for (const signal of INTERRUPTS) process.on(signal, interrupt);
  try {
    const signals = [interrupted.signal, ...(options.signal ? [options.signal] : [])];
    const context: Context = {
      cacheDir,
      checkout,
      onProgress: options.onProgress ?? (() => {}),
      signal: AbortSignal.any(signals),
      idle: options.idle ?? false,
      scratch: options.scratch,
    };
    return await buildLocked(recipe, hash, context);
  } finally {
    for (const signal of INTERRUPTS) process.off(signal, interrupt);
  }
}

/** The cache key of an artifact; FAILED_PRECONDITION names the input that is missing. */
export async function artifactHash(checkout: string, recipe: Recipe): Promise<string> {
  const extra: string[] = [recipe.command.join(' ')];
  for (const { artifact } of recipe.needs) {
    extra.push(`${artifact}=${await artifactHash(checkout, await recipeOf(checkout, artifact))}`);
  }
  try {
    return await contentHash(checkout, recipe.inputs, extra);
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw error;
    throw new ArtifactError(
      'FAILED_PRECONDITION',
      `${recipe.name} cannot be built: ${path ?? 'an input'} is missing; ` +
        './czone builds what comes from TypeScript and C++, git restores the rest',
      { artifact: recipe.name, step: null, logFile: null },
      { cause: error },
    );
  }
}

/** null: all are there. */
export async function missingOutput(recipe: Recipe, dir: string): Promise<string | null> {
  for (const output of recipe.outputs) {
    const found = await stat(join(dir, output)).catch(() => null);
    if (found === null || found.size === 0) return output;
  }
  return null;
}

async function found(recipe: Recipe, dir: string, hash: string): Promise<Artifact> {
  // Marks it as used, for the choice of the versions to keep. A read-only cache
  // serves as well.
  const now = new Date();
  await utimes(dir, now, now).catch(() => {});
  return { name: recipe.name, dir, hash, built: false };
}

async function buildLocked(recipe: Recipe, hash: string, context: Context): Promise<Artifact> {
  const { cacheDir, onProgress, signal } = context;
  const dir = entryDir(cacheDir, recipe.name, hash);
  await mkdir(logDir(cacheDir), { recursive: true });
  const needed = await ensureNeeds(recipe, context);
  const waiting = 'wait for another process that builds it';
  const lock = await takeLock(
    lockFile(cacheDir, recipe.name),
    () => onProgress({ artifact: recipe.name, done: 0, total: 1, what: waiting }),
    signal,
  ).catch((error) => {
    throw signal.aborted ? interruptedError(recipe, null, null) : error;
  });
  try {
    if ((await missingOutput(recipe, dir)) === null) return await found(recipe, dir, hash);
    await removeBuilds(cacheDir, recipe.name);
    checkRoom(recipe.name, cacheDir, recipe.diskBytes, await freeBytes(cacheDir));
    const tmp = buildDir(cacheDir, recipe.name, hash);
    try {
      await build(recipe, tmp, needed, context);
      // Only a directory that lost files can be in the way.
      await rm(dir, { recursive: true, force: true });
      await rename(join(tmp, 'out'), dir);
    } finally {
      await rm(tmp, { recursive: true, force: true });
    }
    await removeOldVersions(cacheDir, recipe.name, hash);
    return { name: recipe.name, dir, hash, built: true };
  } finally {
    await lock.release();
  }
}

async function ensureNeeds(recipe: Recipe, context: Context): Promise<NodeJS.ProcessEnv> {
  const environment: NodeJS.ProcessEnv = {};
  for (const { variable, artifact } of recipe.needs) {
    environment[variable] = (await ensureArtifact(artifact, context)).dir;
  }
  for (const { variable, path } of recipe.files)
    environment[variable] = join(context.checkout, path);
  return environment;
}

async function build(
  recipe: Recipe,
  tmp: string,
  needed: NodeJS.ProcessEnv,
  { cacheDir, checkout, onProgress, signal, idle, scratch }: Context,
): Promise<void> {
  const out = join(tmp, 'out');
  const work = join(tmp, 'work');
  const logFile = join(logDir(cacheDir), `${recipe.name}.log`);
  await mkdir(out, { recursive: true });
  await mkdir(work);
  const [script, ...args] = recipe.command;
  let end: ScriptEnd;
  try {
    end = await runScript({
      command: [join(checkout, script), ...args, out],
      environment: {
        ...process.env,
        ...needed,
        LC_ALL: 'C',
        CZONE_CACHE_DIR: cacheDir,
        CZONE_WORK_DIR: work,
        CZONE_SCRATCH_DIR: (await scratch?.dir()) ?? undefined,
      },
      logFile,
      signal,
      idle,
      onProgress: (progress) => onProgress({ artifact: recipe.name, ...progress }),
    });
  } catch (error) {
    throw new ArtifactError(
      'INTERNAL',
      `${recipe.name}: ${script} cannot be run: ${messageOf(error)}`,
      { artifact: recipe.name, step: null, logFile },
      { cause: error },
    );
  }
  if (signal.aborted) throw interruptedError(recipe, end.step, logFile);
  if (end.exitCode !== 0) {
    await keepLogs(work, logDir(cacheDir));
    throw failedError(recipe, end, logFile, work, logDir(cacheDir));
  }
  const missing = await missingOutput(recipe, out);
  if (missing !== null) {
    throw new ArtifactError(
      'INTERNAL',
      `${recipe.name}: ${script} ended well but left no ${missing}; all it printed is in ${logFile}`,
      { artifact: recipe.name, step: end.step, logFile },
    );
  }
}

function interruptedError(recipe: Recipe, step: string | null, logFile: string | null) {
  return new ArtifactError('ABORTED', `the build of ${recipe.name} was interrupted`, {
    artifact: recipe.name,
    step,
    logFile,
  });
}

/** A script may keep a log of its own beside its work files, and name it. */
async function keepLogs(work: string, logs: string): Promise<void> {
  for (const name of await readdir(work)) {
    if (name.endsWith('.log')) await copyFile(join(work, name), join(logs, name));
  }
}

function failedError(recipe: Recipe, end: ScriptEnd, logFile: string, work: string, logs: string) {
  const how = end.signalName ?? `status ${end.exitCode}`;
  const lines = end.lastLines.map((line) => `\n  ${line.replaceAll(`${work}/`, `${logs}/`)}`);
  return new ArtifactError(
    'INTERNAL',
    `the build of ${recipe.name} failed (${how}) at '${end.step ?? 'start'}'; ` +
      `all it printed is in ${logFile}, at the end:${lines.join('')}`,
    { artifact: recipe.name, step: end.step, logFile },
  );
}
