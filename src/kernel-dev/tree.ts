// SPDX-License-Identifier: Apache-2.0
// The editable kernel tree: Debian's source as one commit, the series on top.
import { execFile } from 'node:child_process';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { contentHash } from '../artifacts/content-hash.js';
import { CHECKOUT } from '../artifacts/ensure.js';
import { CzoneError, messageOf } from '../protocol/errors.js';
import { baseTreeDir, treeDir } from './places.js';
import { runDevScript, type Work } from './script.js';

const run = promisify(execFile);

export interface Tree {
  readonly dir: string;
  /** false: it was there. */
  readonly made: boolean;
  /** The series of this checkout is not the one that the tree was made of. */
  readonly stale: boolean;
}

const SERIES_KEY = 'czone.series';

const seriesHash = () =>
  contentHash(CHECKOUT, ['guest-kernel-patches/BASE', 'guest-kernel-patches/series']);

const exists = async (path: string) => (await stat(path).catch(() => null)) !== null;

export async function git(dir: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await run('git', ['-C', dir, ...args], { maxBuffer: 1 << 26 });
    return stdout.trim();
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() || messageOf(error);
    throw new CzoneError('FAILED_PRECONDITION', `git ${args[0]} in ${dir}: ${said}`, {
      cause: error,
    });
  }
}

/** Made on first use; `tree`: null for the one in the cache. Another one must be there. */
export async function ensureTree(work: Work, tree: string | null): Promise<Tree> {
  const dir = treeDir(work.cacheDir, tree);
  if (await exists(dir)) return { dir, made: false, stale: await isStale(dir) };
  if (tree !== null) {
    throw new CzoneError(
      'NOT_FOUND',
      `there is no kernel tree at ${dir}; 'czone kernel tree ${tree}' makes one`,
      { field: '--tree' },
    );
  }
  return makeTree(work, null);
}

/** ALREADY_EXISTS where there is one. */
export async function makeTree(work: Work, tree: string | null): Promise<Tree> {
  const dir = treeDir(work.cacheDir, tree);
  if (await exists(dir)) {
    throw new CzoneError('ALREADY_EXISTS', `${dir} is there already; nothing was changed`);
  }
  // Before, so that a change of the series meanwhile shows.
  const hash = await seriesHash();
  await runDevScript(work, 'kernel tree', ['tree', dir]);
  await git(dir, 'config', SERIES_KEY, hash);
  return { dir, made: true, stale: false };
}

/** A tree of another making says nothing of a series, and is never stale. */
async function isStale(dir: string): Promise<boolean> {
  const made = await git(dir, 'config', '--get', '--default', '', SERIES_KEY).catch(() => '');
  return made !== '' && made !== (await seriesHash());
}

/**
 * The tree anew, for a series that has changed. FAILED_PRECONDITION where that
 * would lose something: changes that are not committed, commits behind the series.
 */
export async function renewTree(work: Work): Promise<Tree> {
  const dir = treeDir(work.cacheDir, null);
  if (!(await exists(dir))) return makeTree(work, null);
  const changed = await git(dir, 'status', '--porcelain');
  const own = await git(dir, 'log', '--oneline', 'series..HEAD');
  if (changed !== '' || own !== '') {
    const what = changed !== '' ? 'changes that are not committed' : 'commits behind the series';
    throw new CzoneError(
      'FAILED_PRECONDITION',
      `${dir} holds ${what}; save them (git -C ${dir} format-patch series) or move the tree away`,
    );
  }
  const old = `${dir}.old`;
  await rm(old, { recursive: true, force: true });
  await rename(dir, old);
  try {
    return await makeTree(work, null);
  } catch (error) {
    await rename(old, dir);
    throw error;
  } finally {
    await rm(old, { recursive: true, force: true });
  }
}

/** A work tree of the source without the series ("base" of that tree), beside it. */
export async function ensureBaseTree(dir: string): Promise<string> {
  const base = baseTreeDir(dir);
  await git(dir, 'worktree', 'prune');
  if (!(await exists(join(base, '.git')))) {
    await rm(base, { recursive: true, force: true });
    await git(dir, 'worktree', 'prune');
    await git(dir, 'worktree', 'add', '--detach', base, 'base');
  }
  return base;
}
