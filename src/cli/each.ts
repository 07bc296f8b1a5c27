// SPDX-License-Identifier: Apache-2.0
// One call for each of several objects: all are tried, what went well is kept, and
// the first error decides the exit code.
import { CzoneError, messageOf } from '../protocol/errors.js';
import { PartialFailure, type Run } from './command.js';
import { errorJson } from './output.js';

/** Answers with the results, or throws a PartialFailure that holds them as `name`. */
export async function each<Item, Result>(
  run: Run,
  items: readonly Item[],
  options: { readonly name: string; readonly atOnce: number },
  call: (item: Item) => Promise<Result>,
  show: (result: Result) => void,
): Promise<Result[]> {
  const { output } = run;
  const results: Result[] = [];
  const errors: { item: Item; error: CzoneError }[] = [];
  const waiting = [...items];
  const work = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      try {
        const result = await call(item);
        results.push(result);
        if (!output.json) show(result);
      } catch (error) {
        const known =
          error instanceof CzoneError ? error : new CzoneError('INTERNAL', messageOf(error));
        errors.push({ item, error: known });
        // The node is gone, or the user wants no more: the rest would fail alike.
        if (known.code === 'UNAVAILABLE' || run.signal.aborted) waiting.length = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, work));
  const first = errors[0];
  if (first === undefined) return results;
  if (items.length === 1) throw first.error;
  if (!output.json) for (const { error } of errors.slice(1)) output.error(error);
  throw new PartialFailure(first.error, {
    [options.name]: results,
    errors: errors.map(({ item, error }) => ({ item, ...errorJson(error) })),
  });
}
