// SPDX-License-Identifier: Apache-2.0
// czone images: builds and lists the kernel, the root file system, QEMU and the
// functions' images.
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ArtifactStatus } from '../../artifacts/list.js';
import { CzoneError } from '../../protocol/errors.js';
import { formatSize } from '../../protocol/units.js';
import { buildProgress } from '../build-progress.js';
import { action, jsonOption, type Run } from '../command.js';
import { isNeeded } from '../needed-artifacts.js';

interface Options {
  readonly list?: boolean;
  readonly rebuild?: boolean;
  readonly cacheDir?: string;
}

type Row = ArtifactStatus & { readonly built: boolean };

export function images(program: Command): void {
  jsonOption(
    program
      .command('images [name...]')
      .summary('build what VMs and functions are made of')
      .description(
        'Builds the guest kernel, its root file system, the private QEMU and the images of the\n' +
          'functions where they are missing (all that a node needs, or the named ones), and lists\n' +
          'them. What is built is kept by the hash of what it was built from.',
      )
      .option('--list', 'only list')
      .option('--rebuild', 'build the named ones again even if they are there')
      .option('--cache-dir <dir>', 'where they lie (default: ~/.cache/czone)'),
  ).action(
    action(async (run, options: Options, names: string[]) => {
      if (options.rebuild === true && (names.length === 0 || options.list === true)) {
        throw new CzoneError(
          'INVALID_ARGUMENT',
          '--rebuild wants names, e.g. images --rebuild kernel',
          {
            field: '--rebuild',
          },
        );
      }
      const where = options.cacheDir === undefined ? {} : { cacheDir: resolve(options.cacheDir) };
      const { listArtifacts } = await import('../../artifacts/list.js');
      const before = await listArtifacts(where);
      const wanted = names.length === 0 ? before.map(({ name }) => name).filter(isNeeded) : names;
      refuseUnknown(wanted, before);
      if (options.rebuild === true) {
        for (const { name, dir } of before) {
          if (dir !== null && wanted.includes(name))
            await rm(dir, { recursive: true, force: true });
        }
      }
      const built = options.list === true ? new Set<string>() : await build(run, wanted, where);
      const rows = (await listArtifacts(where))
        .filter(({ name, present }) => present || wanted.includes(name))
        .map((row) => ({ ...row, built: built.has(row.name) }));
      await run.output.result({ artifacts: rows }, () => human(rows));
    }),
  );
}

/** Names of those that were not there. */
async function build(
  run: Run,
  names: readonly string[],
  where: { readonly cacheDir?: string },
): Promise<Set<string>> {
  const { ensureArtifacts } = await import('../../artifacts/ensure-all.js');
  const artifacts = await ensureArtifacts(names, {
    ...where,
    signal: run.signal,
    onProgress: buildProgress((line) => run.output.note(line)),
  });
  return new Set(artifacts.filter((item) => item.built).map(({ name }) => name));
}

function refuseUnknown(names: readonly string[], known: readonly ArtifactStatus[]): void {
  for (const name of names) {
    if (known.some((item) => item.name === name)) continue;
    const all = known.map((item) => item.name).join(', ');
    throw new CzoneError(
      'NOT_FOUND',
      `there is no artifact ${JSON.stringify(name)}; there are: ${all}`,
    );
  }
}

async function human(rows: readonly Row[]): Promise<string> {
  const { table } = await import('../table.js');
  return table(
    ['NAME', 'STATE', '>SIZE', 'WHERE'],
    rows.map((row) => [
      row.name,
      row.problem !== null ? 'blocked' : !row.present ? 'missing' : row.built ? 'built' : 'present',
      row.present ? formatSize(row.sizeBytes) : '-',
      row.problem ?? row.dir ?? '-',
    ]),
  );
}
