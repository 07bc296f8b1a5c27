// SPDX-License-Identifier: Apache-2.0
// The function that is started on both sides: what its image executes, and the file
// that a node has flattened it to.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const Index = z.object({ manifests: z.array(z.object({ digest: z.string() })).min(1) });
const Manifest = z.object({ config: z.object({ digest: z.string() }) });
const Config = z.object({
  config: z.object({
    Entrypoint: z.array(z.string()).optional(),
    Cmd: z.array(z.string()).optional(),
  }),
});

/** Of the manifest of an OCI layout that was built here. */
export async function digestOf(layoutDir: string): Promise<string> {
  const index: unknown = JSON.parse(await readFile(join(layoutDir, 'index.json'), 'utf8'));
  return Index.parse(index).manifests[0]?.digest ?? '';
}

/** Entrypoint and command of an OCI layout that was built here. */
export async function commandOf(layoutDir: string): Promise<string[]> {
  const read = async (...path: string[]): Promise<unknown> =>
    JSON.parse(await readFile(join(layoutDir, ...path), 'utf8'));
  const blob = (digest: string) => read('blobs', ...digest.split(':'));
  const manifest = Manifest.parse(await blob(await digestOf(layoutDir)));
  const { config } = Config.parse(await blob(manifest.config.digest));
  return [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
}

/** Where a node keeps the flattened image (src/host/images/image-store.ts). */
export function flattenedPath(cacheDir: string, digest: string): string {
  return join(cacheDir, 'erofs', `${digest.replace(/^sha256:/, '')}.erofs`);
}
