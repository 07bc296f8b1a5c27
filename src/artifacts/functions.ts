// SPDX-License-Identifier: Apache-2.0
// What the checkout's functions are, as their function.json say.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CzoneError } from '../protocol/errors.js';
import { CHECKOUT } from './ensure.js';
import { functionNames } from './recipes.js';

const description = z.object({
  name: z.string(),
  description: z.string(),
  runtime: z.enum(['python', 'node']),
  /** Memory that it runs well in. */
  memoryMib: z.number().int().min(8),
  port: z.number().int().min(1).max(65_535),
});

export type FunctionDescription = z.output<typeof description>;

/** Sorted by name. INTERNAL names a function.json that is not as it must be. */
export async function listFunctions(checkout: string = CHECKOUT): Promise<FunctionDescription[]> {
  const list: FunctionDescription[] = [];
  for (const name of await functionNames(checkout)) {
    const file = join(checkout, 'vm-images/functions', name, 'function.json');
    const read = description.safeParse(JSON.parse(await readFile(file, 'utf8')));
    if (!read.success || read.data.name !== name) {
      const what = read.success ? `name is not ${name}` : z.prettifyError(read.error);
      throw new CzoneError('INTERNAL', `${file}: ${what}`);
    }
    list.push(read.data);
  }
  return list;
}
