// SPDX-License-Identifier: Apache-2.0
// What a node runs its VMs with: what ./czone images has built, unless the
// configuration names something else. Nothing is built here.
import path from 'node:path';
import { entryDir } from '../artifacts/cache.js';
import { artifactHash, CHECKOUT, missingOutput } from '../artifacts/ensure.js';
import { listFunctions } from '../artifacts/functions.js';
import { recipeOf } from '../artifacts/recipes.js';
import { CzoneError } from '../protocol/errors.js';
import { type FunctionId, parseFunctionId } from '../protocol/ids.js';
import { MIB } from '../protocol/units.js';
import type { NodeConfig } from './config.js';
import type { CatalogueFunction, NodeArtifacts } from './node-artifacts.js';

export function builtArtifacts(config: NodeConfig): NodeArtifacts {
  const file = async (artifact: string, name: string) =>
    path.join(await builtDir(config.cacheDir, artifact), name);
  return {
    kernelPath: async () => config.kernelPath ?? (await file('kernel', 'bzImage')),
    rootfsPath: async () => config.rootfsPath ?? (await file('rootfs', 'rootfs.erofs')),
    vmmPath: async () => config.qemuPath ?? (await file('qemu', 'qemu-system-x86_64')),
    functions: catalogue,
    layoutPath: async (functionId) => {
      await requireKnown(functionId);
      return builtDir(config.cacheDir, `function-${functionId}`);
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

/** Where an artifact of this checkout lies. FAILED_PRECONDITION: it was not built. */
async function builtDir(cacheDir: string, name: string): Promise<string> {
  const recipe = await recipeOf(CHECKOUT, name);
  const directory = entryDir(cacheDir, name, await artifactHash(CHECKOUT, recipe));
  const missing = await missingOutput(recipe, directory);
  if (missing === null) return directory;
  throw new CzoneError(
    'FAILED_PRECONDITION',
    `${name} was not built (there is no ${path.join(directory, missing)}): run ./czone images`,
  );
}
