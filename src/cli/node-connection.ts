// SPDX-License-Identifier: Apache-2.0
// The way of a command to its node. Where none answers, what a dead node left is
// cleaned up and told.
import { existsSync } from 'node:fs';
import type { NodeClient } from '../node-api/client.js';
import { CzoneError } from '../protocol/errors.js';
import { defaultSocketPath, PartialFailure, type Place, type Run } from './command.js';
import { formatSweep } from './format-sweep.js';

export async function withNode<Result>(
  run: Run,
  use: (client: NodeClient) => Promise<Result>,
): Promise<Result> {
  const [{ NodeClient }, { NoNodeError }] = await Promise.all([
    import('../node-api/client.js'),
    import('../node-api/no-node.js'),
  ]);
  const socketPath = await findSocket(run);
  const client = new NodeClient(socketPath);
  try {
    return await use(client);
  } catch (error) {
    const first = error instanceof PartialFailure ? error.first : error;
    if (first instanceof NoNodeError) await cleanUp(run, first);
    throw error;
  } finally {
    client.close();
  }
}

/** A node may listen elsewhere than in its directory; its record tells where. */
async function findSocket(place: Place): Promise<string> {
  const usual = defaultSocketPath(place);
  if (place.socketPath !== null || existsSync(usual)) return usual;
  const [{ readNodeRecord }, { runDirPaths }] = await Promise.all([
    import('../host/state/records.js'),
    import('../host/state/run-dir.js'),
  ]);
  const record = await readNodeRecord(runDirPaths(place.runDir).nodeRecord).catch(() => null);
  return record?.socketPath ?? usual;
}

/** Throws a better error where a node holds the directory but does not answer. */
async function cleanUp(run: Run, error: CzoneError): Promise<void> {
  const { sweep } = await import('../host/state/sweep.js');
  let report: Awaited<ReturnType<typeof sweep>>;
  try {
    report = await sweep(run.runDir);
  } catch (cause) {
    run.output.note(`czone: ${run.runDir} could not be cleaned up: ${(cause as Error).message}`);
    return;
  }
  if (report.alive !== null) {
    const who = report.alive.pid === 0 ? 'a node' : `the node with pid ${report.alive.pid}`;
    throw new CzoneError(
      'UNAVAILABLE',
      `${who} holds ${run.runDir} but does not answer: it is starting or stopping; try again`,
      { cause: error },
    );
  }
  const told = formatSweep(report);
  if (told !== null) run.output.note(`czone: ${told}`);
}
