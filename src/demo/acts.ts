// SPDX-License-Identifier: Apache-2.0
// What can be done with a container in the demo; each act is recorded and told.
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerView, ProcessPlacement, Stage } from '../host/controller-api.js';
import type { NodeClient } from '../node-api/client.js';
import { CzoneError } from '../protocol/errors.js';
import { formatSize, MIB } from '../protocol/units.js';
import type { Example } from './examples.js';
import type { Recorder } from './recorder.js';
import type { EventKind, PlannedContainer } from './recording.js';
import { sendExample, sendTestRequest } from './requests.js';

const END_WAIT_MS = 60_000;
const END_POLL_MS = 200;

const milliseconds = (us: number) => `${Math.round(us / 1000)} ms`;
const wayText = ({ zygoteId, startReason }: ContainerView) =>
  zygoteId === null ? `by crun (${startReason})` : `forked from zygote ${zygoteId}`;
const stagesText = (stages: readonly Stage[]) =>
  stages.map(({ name, durationUs }) => `${name} ${milliseconds(durationUs)}`).join(', ');

export class Acts {
  readonly #client: NodeClient;
  readonly #recorder: Recorder;
  readonly #examples: ReadonlyMap<string, readonly Example[]>;
  readonly #signal: AbortSignal;

  constructor(
    client: NodeClient,
    recorder: Recorder,
    examples: ReadonlyMap<string, readonly Example[]>,
    signal: AbortSignal,
  ) {
    this.#client = client;
    this.#recorder = recorder;
    this.#examples = examples;
    this.#signal = signal;
  }

  async place(plan: PlannedContainer): Promise<void> {
    const view = await this.#client.place(
      {
        tenantId: plan.tenantId,
        functionId: plan.functionId,
        memoryBytes: plan.memoryBytes,
        environment: [['CZONE_TEST_ENDPOINTS', '1']],
        labels: [{ key: 'demo', value: plan.name }],
        startMode: plan.startMode,
      },
      { signal: this.#signal },
    );
    this.#recorder.view(plan, view);
    this.#recorder.event(
      'placed',
      plan,
      `runs in ${view.sandboxId}, zone ${view.zoneId} (${formatSize(view.rangeBytes)}): ` +
        `${stagesText(view.stages)}; ${wayText(view)}`,
    );
  }

  /** They outlive their children, and would be counted as left over. */
  async endZygotes(): Promise<void> {
    for (const { zygotes } of await this.#client.sandboxes()) {
      for (const { zygoteId, functionId, forks, residentBytes } of zygotes) {
        this.#recorder.event(
          'zygote',
          null,
          `the zygote of ${functionId} with ${formatSize(residentBytes)} is ended after ${forks} forks`,
        );
        await this.#client.stop(zygoteId);
      }
    }
  }

  /** Sends every example of the function; whether all were answered right. */
  async ask(plan: PlannedContainer, why = ''): Promise<boolean> {
    const record = this.#recorder.of(plan);
    const { endpoint } = this.#view(plan);
    const examples = this.#examples.get(plan.functionId) ?? [];
    let right = 0;
    for (const example of examples) {
      this.#signal.throwIfAborted();
      const reason = await sendExample(endpoint, example, this.#signal);
      if (reason === null) {
        right++;
        continue;
      }
      const request = `${example.request.method} ${example.request.path}`;
      record.failures.push({ atMs: this.#recorder.nowMs, request, reason });
      this.#recorder.event('failed', plan, `${request}: ${reason}`);
    }
    record.requestsRight += right;
    this.#recorder.event(
      'requests',
      plan,
      `${right} of ${examples.length} requests answered right${why && `, ${why}`}`,
    );
    return right === examples.length;
  }

  async allocate(plan: PlannedContainer, mib: number): Promise<void> {
    await this.#test(plan, `allocate?mib=${mib}`);
    this.#recorder.event('allocated', plan, `allocated ${mib} MiB`);
  }

  async free(plan: PlannedContainer): Promise<void> {
    await this.#test(plan, 'free');
    this.#recorder.event('freed', plan, 'freed it; the host does not have it yet');
  }

  async reclaim(plan: PlannedContainer, freedMib: number, paused: boolean): Promise<void> {
    const { containerId } = this.#view(plan);
    const { zones } = await this.#client.reclaim({ containerId }, { signal: this.#signal });
    const zone = zones.find((reclaimed) => reclaimed.containerId === containerId);
    if (!zone) throw new CzoneError('INTERNAL', `the node reclaimed nothing from ${plan.name}`);
    this.#recorder.recording.reclaims.push({
      container: plan.name,
      paused,
      freedBytes: freedMib * MIB,
      residentBeforeBytes: zone.residentBeforeBytes,
      returnedBytes: zone.returnedBytes,
      durationUs: zone.durationUs,
    });
    this.#recorder.event(
      'reclaimed',
      plan,
      `the host took back ${formatSize(zone.returnedBytes)} of ` +
        `${formatSize(zone.residentBeforeBytes)} in ${milliseconds(zone.durationUs)}` +
        `${paused ? ', while it was paused' : ''}`,
    );
  }

  async pause(plan: PlannedContainer): Promise<void> {
    this.#recorder.view(plan, await this.#client.pause(this.#view(plan).containerId));
    this.#recorder.event('paused', plan, 'paused');
  }

  async resume(plan: PlannedContainer): Promise<void> {
    this.#recorder.view(plan, await this.#client.resume(this.#view(plan).containerId));
    this.#recorder.event('resumed', plan, 'resumed');
  }

  async stop(plan: PlannedContainer): Promise<void> {
    const view = await this.#client.stop(this.#view(plan).containerId);
    this.#told(plan, 'stopped', view, 'stopped');
  }

  /** A request by which the container ends; waits until its zone is back. */
  async endByRequest(
    plan: PlannedContainer,
    path: string,
    kind: EventKind,
    what: string,
  ): Promise<void> {
    this.#recorder.event('requests', plan, what);
    await sendTestRequest(this.#view(plan).endpoint, path, this.#signal);
    this.#told(plan, kind, await this.#ended(plan), 'ended');
  }

  inspect(plan: PlannedContainer): Promise<ProcessPlacement[]> {
    return this.#client.inspect(this.#view(plan).containerId, { signal: this.#signal });
  }

  #view(plan: PlannedContainer): ContainerView {
    const { view } = this.#recorder.of(plan);
    if (!view) throw new CzoneError('FAILED_PRECONDITION', `${plan.name} was not placed`);
    return view;
  }

  async #test(plan: PlannedContainer, path: string): Promise<void> {
    const { status, text } = await sendTestRequest(this.#view(plan).endpoint, path, this.#signal);
    if (status !== 200) throw new CzoneError('INTERNAL', `${plan.name}: ${path}: ${text}`);
  }

  async #ended(plan: PlannedContainer): Promise<ContainerView> {
    const { containerId } = this.#view(plan);
    const deadlineMs = Date.now() + END_WAIT_MS;
    for (;;) {
      const views = await this.#client.containers({ includeExited: true });
      const view = views.find((candidate) => candidate.containerId === containerId);
      if (view?.state === 'EXITED' && view.memoryReturn) return view;
      if (Date.now() > deadlineMs) {
        throw new CzoneError(
          'DEADLINE_EXCEEDED',
          `${plan.name} is ${view?.state ?? 'unknown'} ${END_WAIT_MS / 1000} s after it was to end`,
        );
      }
      await delay(END_POLL_MS, undefined, { signal: this.#signal });
    }
  }

  #told(plan: PlannedContainer, kind: EventKind, view: ContainerView, what: string): void {
    this.#recorder.view(plan, view);
    const memory = view.memoryReturn;
    const how = view.exit
      ? `${view.exit.reason}${view.exit.signal ? `, signal ${view.exit.signal}` : `, status ${view.exit.exitCode}`}`
      : 'no exit told';
    this.#recorder.event(
      kind,
      plan,
      memory
        ? `${what} (${how}); ${formatSize(memory.returnedBytes)} of ` +
            `${formatSize(memory.residentBytes)} back on the host in ${milliseconds(memory.unplugUs)}`
        : `${what} (${how}); its zone is not back yet`,
    );
  }
}
