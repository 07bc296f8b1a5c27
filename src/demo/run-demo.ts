// SPDX-License-Identifier: Apache-2.0
// Runs the whole demo against a node of its own and answers with the recording.
// Whatever happens, the node is ended and its run directory removed.
import { rm } from 'node:fs/promises';
import { messageOf } from '../protocol/errors.js';
import { formatSize } from '../protocol/units.js';
import { Acts } from './acts.js';
import { type Example, readExamples } from './examples.js';
import { NodeProcess } from './node-process.js';
import { Recorder } from './recorder.js';
import type { Recording, Sample } from './recording.js';
import { FORKED, SCENARIO } from './scenario.js';
import { acmeStory, globexStory, placeAll } from './stories.js';

export interface DemoOptions {
  /** Node's arguments before those of `node start`: the product's own command. */
  readonly command: readonly string[];
  readonly nodeArgs: readonly string[];
  readonly runDir: string;
  /** Where what the node prints goes. */
  readonly logPath: string;
  /** Where the functions with their examples lie. */
  readonly functionsFolder: string;
  readonly say: (line: string) => void;
  /** Aborted: the demo cleans up and rejects. */
  readonly signal: AbortSignal;
}

async function examplesOfAll(folder: string): Promise<Map<string, readonly Example[]>> {
  const ids = new Set(SCENARIO.map(({ functionId }) => functionId));
  return new Map(
    await Promise.all([...ids].map(async (id) => [id, await readExamples(folder, id)] as const)),
  );
}

/** One tenant's part; what fails is written down, and the other tenant goes on. */
async function tenantPart(acts: Acts, recorder: Recorder, tenantId: string): Promise<void> {
  try {
    await placeAll(
      acts,
      SCENARIO.filter((plan) => plan.tenantId === tenantId && plan !== FORKED),
    );
    await (tenantId === 'acme' ? acmeStory(acts, recorder) : globexStory(acts));
  } catch (error) {
    recorder.error(tenantId, error);
  }
}

async function play(node: NodeProcess, recorder: Recorder, options: DemoOptions): Promise<void> {
  const info = await node.client.info();
  recorder.recording.node = info;
  recorder.event(
    'node',
    null,
    `answers; ${info.accelerator} (${info.acceleratorReason}), QEMU ${info.vmmVersion}, ` +
      `kernel ${info.guestKernel}`,
  );
  const examples = await examplesOfAll(options.functionsFolder);
  const acts = new Acts(node.client, recorder, examples, options.signal);
  const stop = new AbortController();
  const sampling = recorder.sampleUntil(node.client, stop.signal);
  try {
    const tenants = [...new Set(SCENARIO.map(({ tenantId }) => tenantId))];
    await Promise.all(tenants.map((tenantId) => tenantPart(acts, recorder, tenantId)));
    await acts.endZygotes();
  } finally {
    stop.abort();
    await sampling;
  }
}

/** Ends the node and looks for what it left. */
async function finish(node: NodeProcess, recorder: Recorder): Promise<void> {
  const memory: Sample | null = await recorder.sample(node.client).catch(() => null);
  if (memory) {
    recorder.event('node', null, `no container left; VMs hold ${formatSize(memory.residentBytes)}`);
  }
  const nodeExitCode = await node.end();
  const [files, processes] = await Promise.all([node.filesLeft(), node.processesLeft()]);
  recorder.recording.leftovers = { memory, nodeExitCode, files, processes };
  recorder.event('node', null, 'ended');
}

export async function runDemo(options: DemoOptions): Promise<Recording> {
  const recorder = new Recorder(SCENARIO, options.say);
  recorder.event('node', null, 'starts');
  try {
    const node = await NodeProcess.start(options.command, {
      runDir: options.runDir,
      logPath: options.logPath,
      args: options.nodeArgs,
      signal: options.signal,
    });
    try {
      await play(node, recorder, options);
    } catch (error) {
      recorder.error('the demo', messageOf(error));
    } finally {
      await finish(node, recorder);
    }
  } finally {
    await rm(options.runDir, { recursive: true, force: true });
  }
  options.signal.throwIfAborted();
  recorder.recording.durationMs = recorder.nowMs;
  return recorder.recording;
}
