// SPDX-License-Identifier: Apache-2.0
// A container's start: parts, process, readiness. By a zygote where one is at hand and
// can; by crun otherwise.
import { CzoneError } from '../protocol/errors.js';
import type { ContainerParts } from './container-parts.js';
import { watchProcess } from './first-process.js';
import type { OpenFile } from './memory-files.js';
import type { ContainerSpec } from './request.js';
import { type Made, startByCrun } from './start-by-crun.js';
import { startByZygote } from './start-by-zygote.js';
import { notByZygote, type ZygoteChannel } from './zygote-channel.js';

/** How a container is to be started. */
export type Way =
  /** The reason is empty where no zygote was named. */
  | { readonly by: 'crun'; readonly whyNoZygote: string }
  | { readonly by: 'zygote'; readonly channel: ZygoteChannel };

export interface Method {
  readonly method: 'crun' | 'zygote';
  /** Why crun made it though a zygote was named; else empty. */
  readonly fallbackReason: string;
}

export interface StartParts {
  readonly parts: ContainerParts;
  readonly spec: ContainerSpec;
  /** It is being stopped, or its process has ended. */
  readonly ending: AbortSignal;
  readonly mark: (stage: string) => void;
}

/** Its parts are there, and a process with this pid, or 0 when that has ended already. */
export async function startProcess(
  start: StartParts,
  way: Way,
): Promise<Method & { readonly pid: number }> {
  const { parts, mark } = start;
  await prepare(start, way);
  const outputs = await parts.bundle.openOutputs();
  try {
    const result = await create(start, way, outputs);
    mark('create');
    return result;
  } finally {
    await Promise.all(outputs.map((handle) => handle.close()));
  }
}

async function prepare({ parts, spec, mark }: StartParts, way: Way): Promise<void> {
  if (way.by === 'crun' && spec.role === 'function') parts.namespace = parts.id;
  await parts.note(null);
  const attached = attach(parts, way);
  const others = [parts.bundle.create(), parts.cgroup.create(spec)];
  // All of them, before a failure of one is undone.
  const settled = Promise.allSettled([attached, ...others]);
  await attached.catch(() => {});
  mark('network');
  await settled;
  await Promise.all([attached, ...others]);
  mark('cgroup');
}

async function attach(parts: ContainerParts, way: Way): Promise<void> {
  const { network, networkPool } = parts.around;
  if (way.by === 'zygote') parts.namespace = await networkPool.take();
  else if (parts.namespace !== null) await network.add(parts.id, parts.address);
}

type Outputs = readonly [OpenFile, OpenFile];

async function create(
  start: StartParts,
  way: Way,
  outputs: Outputs,
): Promise<Method & { readonly pid: number }> {
  const { parts, spec, mark } = start;
  let fallbackReason = way.by === 'crun' ? way.whyNoZygote : '';
  if (way.by === 'zygote') {
    const made = madeOf(start, outputs);
    const result = await startByZygote(parts.around, spec, made, way.channel, mark);
    if ('pid' in result) return { method: 'zygote', fallbackReason, pid: result.pid };
    fallbackReason = result.refusal;
  }
  if (fallbackReason !== '' && spec.zygoteOnly) throw notByZygote(fallbackReason);
  if (way.by === 'zygote') await startOver(start);
  return { method: 'crun', fallbackReason, pid: await runCrun(start, outputs) };
}

/** A zygote's refusal leaves a network without its address and a used descriptor. */
async function startOver({ parts, ending }: StartParts): Promise<void> {
  const { network } = parts.around;
  ending.throwIfAborted();
  parts.closeZone();
  if (parts.namespace !== null) await network.remove(parts.namespace);
  parts.namespace = parts.id;
  await parts.note(null);
  await network.add(parts.id, parts.address);
}

async function runCrun(start: StartParts, outputs: Outputs): Promise<number> {
  const { parts, spec, mark } = start;
  const { addon } = parts.around;
  const made = madeOf(start, outputs);
  if (spec.role === 'function') return startByCrun(parts.around, spec, made, [], mark);
  const [end, zygoteEnd] = addon.makeChannel();
  parts.useChannel(end);
  try {
    return await startByCrun(parts.around, spec, made, [zygoteEnd, end], mark);
  } finally {
    addon.closeFd(zygoteEnd);
  }
}

function madeOf({ parts, ending }: StartParts, outputs: Outputs): Made {
  const { id, bundle, cgroup, namespace, around } = parts;
  return {
    id,
    bundle,
    cgroup,
    zoneFd: parts.openZone(),
    outputs,
    readOutputs: () => parts.readOutputs(),
    namespace,
    ending,
    said: () => parts.said(),
    watch: (pid) => watchProcess(around.addon, pid),
  };
}

/**
 * Until its port answers, or until a zygote says what it is: that. null: it has ended
 * before. DEADLINE_EXCEEDED; FAILED_PRECONDITION when a zygote refuses.
 */
export async function untilReady({ parts, spec, ending }: StartParts): Promise<string | null> {
  const waiting = new AbortController();
  // AbortSignal.timeout() and any() take milliseconds of a daemon that is not warm.
  const stop = () => waiting.abort();
  const timer = setTimeout(stop, spec.readyTimeoutMs);
  ending.addEventListener('abort', stop);
  try {
    return await untilAnswered(parts, spec, ending, waiting.signal);
  } finally {
    clearTimeout(timer);
    ending.removeEventListener('abort', stop);
  }
}

async function untilAnswered(
  parts: ContainerParts,
  spec: ContainerSpec,
  ending: AbortSignal,
  signal: AbortSignal,
): Promise<string | null> {
  if (ending.aborted) return null;
  const runtime =
    parts.channel === null
      ? await untilPortAnswers(parts, spec.port, signal)
      : await untilZygoteAnswers(parts.channel, signal);
  if (ending.aborted) return null;
  if (runtime !== null) return runtime;
  const where = spec.role === 'zygote' ? '' : ` at port ${spec.port}`;
  throw new CzoneError(
    'DEADLINE_EXCEEDED',
    `Container ${parts.id} did not answer${where} within ${spec.readyTimeoutMs} ms.${parts.said()}`,
  );
}

async function untilPortAnswers(
  { around, address }: ContainerParts,
  port: number,
  signal: AbortSignal,
): Promise<string | null> {
  if (signal.aborted) return null;
  const wait = around.addon.waitPort(address, port);
  signal.addEventListener('abort', wait.stop);
  try {
    return (await wait.answered) ? '' : null;
  } finally {
    signal.removeEventListener('abort', wait.stop);
  }
}

async function untilZygoteAnswers(
  channel: ZygoteChannel,
  signal: AbortSignal,
): Promise<string | null> {
  const aborted = new Promise<null>((resolve) => {
    const give = () => resolve(null);
    if (signal.aborted) give();
    signal.addEventListener('abort', give, { once: true });
  });
  const result = await Promise.race([channel.ready, aborted]);
  if (result?.kind === 'refused' && result.byItself) {
    throw new CzoneError('FAILED_PRECONDITION', `It can't be a zygote: ${result.reason}.`);
  }
  if (result?.kind === 'ready') return result.runtime;
  // Its end is noticed in a moment, and tells more.
  if (!signal.aborted) await aborted;
  return null;
}
