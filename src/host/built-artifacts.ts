// SPDX-License-Identifier: Apache-2.0
// What a node runs its VMs with: what ./czone images has built, unless the
// configuration names something else. Nothing is built here. A node stays with what
// it has found: an edit of the checkout is served by the next one that starts.
import path from 'node:path';
import { entryDir } from '../artifacts/cache.js';
import { artifactHash, CHECKOUT, missingOutput } from '../artifacts/ensure.js';
import { listFunctions } from '../artifacts/functions.js';
import { type Recipe, recipeOf } from '../artifacts/recipes.js';
import { CzoneError } from '../protocol/errors.js';
import { type FunctionId, parseFunctionId } from '../protocol/ids.js';
import { MIB } from '../protocol/units.js';
import type { NodeConfig } from './config.js';
import type { CatalogueFunction, NodeArtifacts } from './node-artifacts.js';

interface Entry {
  readonly recipe: Recipe;
  readonly directory: string;
}

export function builtArtifacts(config: NodeConfig): NodeArtifacts {
  // To find an entry is to hash all that it was built from: 10 ms of each start.
  const found = new Map<string, Entry>();
  const builtDir = async (name: string): Promise<string> => {
    const entry = found.get(name) ?? (await entryOf(config.cacheDir, name));
    await requireBuilt(entry);
    found.set(name, entry);
    return entry.directory;
  };
  const file = async (artifact: string, name: string) => path.join(await builtDir(artifact), name);
  return {
    kernelPath: async () => config.kernelPath ?? (await file('kernel', 'bzImage')),
    rootfsPath: async () => config.rootfsPath ?? (await file('rootfs', 'rootfs.erofs')),
    vmmPath: async () => config.qemuPath ?? (await file('qemu', 'qemu-system-x86_64')),
    functions: catalogue,
    layoutPath: async (functionId) => {
      const name = `function-${functionId}`;
      if (!found.has(name)) await requireKnown(functionId);
      return builtDir(name);
    },
  };
}

async function catalogue(): Promise<readonly CatalogueFunction[]> {
  const functions = await listFunctions();
  return functions.flatMap(({ name, description, memoryMib }) => {
    const functionId = parseFunctionId(name);
    const defaultMemoryBytes = memoryMib * MIB;
    return functionId === null ? [] : [{ functionId, description, defaultMemoryBytes }];
  });
}

async function requireKnown(functionId: FunctionId): Promise<void> {
  const known = (await catalogue()).map((entry) => entry.functionId);
  if (known.includes(functionId)) return;
  throw new CzoneError(
    'NOT_FOUND',
    `there is no function ${functionId}: this node knows ${known.join(', ')}`,
  );
}

/** Where an artifact of this checkout lies, or would. */
async function entryOf(cacheDir: string, name: string): Promise<Entry> {
  const recipe = await recipeOf(CHECKOUT, name);
  return { recipe, directory: entryDir(cacheDir, name, await artifactHash(CHECKOUT, recipe)) };
}

async function requireBuilt({ recipe, directory }: Entry): Promise<void> {
  const missing = await missingOutput(recipe, directory);
  if (missing === null) return;
  throw new CzoneError(
    'FAILED_PRECONDITION',
    `${recipe.name} was not built (there is no ${path.join(directory, missing)}): run ./czone images`,
  );
}
