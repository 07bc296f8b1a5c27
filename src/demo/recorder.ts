// SPDX-License-Identifier: Apache-2.0
// Writes a run down as it happens, and tells it to who watches.
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerView } from '../host/controller-api.js';
import type { NodeClient } from '../node-api/client.js';
import { messageOf } from '../protocol/errors.js';
import type {
  EventKind,
  PlannedContainer,
  RecordedContainer,
  Recording,
  Sample,
} from './recording.js';

const SAMPLE_EVERY_MS = 250;

export class Recorder {
  readonly recording: Recording;
  readonly #startedMs: number;
  readonly #say: (line: string) => void;

  constructor(plan: readonly PlannedContainer[], say: (line: string) => void) {
    this.#startedMs = performance.now();
    this.#say = say;
    this.recording = {
      startedAt: new Date().toISOString(),
      durationMs: 0,
      node: null,
      containers: plan.map((container) => ({
        plan: container,
        view: null,
        requestsRight: 0,
        failures: [],
      })),
      events: [],
      samples: [],
      reclaims: [],
      pages: [],
      leftovers: null,
      errors: [],
    };
  }

  get nowMs(): number {
    return Math.round(performance.now() - this.#startedMs);
  }

  of(plan: PlannedContainer): RecordedContainer {
    const found = this.recording.containers.find((container) => container.plan === plan);
    if (!found) throw new Error(`${plan.name} is no container of this run`);
    return found;
  }

  event(kind: EventKind, container: PlannedContainer | null, text: string): void {
    const name = container?.name ?? null;
    const atMs = this.nowMs;
    this.recording.events.push({ atMs, kind, container: name, text });
    const seconds = `${(atMs / 1000).toFixed(1)} s`.padStart(8);
    this.#say(`${seconds}  ${(name ?? 'node').padEnd(18)} ${text}`);
  }

  error(what: string, error: unknown): void {
    const text = `${what}: ${messageOf(error)}`;
    this.recording.errors.push(text);
    this.event('failed', null, text);
  }

  view(plan: PlannedContainer, view: ContainerView): void {
    this.of(plan).view = view;
  }

  async sample(client: NodeClient): Promise<Sample> {
    const memory = await client.memory();
    const sample = {
      atMs: this.nowMs,
      residentBytes: memory.residentBytes,
      sandboxes: memory.sandboxes,
    };
    this.recording.samples.push(sample);
    return sample;
  }

  /** Samples until the signal is aborted; a sample that fails is left out. */
  async sampleUntil(client: NodeClient, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const beganMs = performance.now();
      await this.sample(client).catch(() => undefined);
      const restMs = SAMPLE_EVERY_MS - (performance.now() - beganMs);
      // An abort is the end of the loop, not a fault.
      await delay(Math.max(restMs, 20), undefined, { signal: stop }).catch(() => undefined);
    }
  }
}
