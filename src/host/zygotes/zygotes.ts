// SPDX-License-Identifier: Apache-2.0
// The zygotes of one VM: at most one of a function revision (an image's digest).
//
//   starting ──it says so──> ready ──stopped, own end, newer revision──> draining ──> gone
//      └──failed──> gone
//
// To the guest and the ledger a zygote is a container with a zone of its own. Its zone
// holds the pages that its children share, and can't come back before the last of them
// has ended: until then it drains. Policy is in policy.ts; all acts are here.
import { CzoneError, messageOf } from '../../protocol/errors.js';
import type { Container } from '../containers/container.js';
import type { Start } from '../containers/start.js';
import type { ZygoteView } from '../controller-api.js';
import type { PreparedImage } from '../images/image-store.js';
import type { Log } from '../log.js';
import { decideStart, FAILURES_MAX, type ZygoteStanding, zygotesToDrop } from './policy.js';

export interface ZygotesOptions {
  readonly enabled: boolean;
  /** Takes room in the VM for a zygote like the container; null: there is none. */
  readonly reserve: (like: Container, image: PreparedImage) => Container | null;
  /** Starts a zygote; fulfilled when it is ready. */
  readonly start: (zygote: Container, like: Start) => Promise<void>;
  /** Ends one; fulfilled when the guest has nothing of it left but its zone. */
  readonly stop: (zygote: Container, reason: string) => Promise<void>;
  readonly residentBytes: (zygote: Container) => number;
  readonly nowMs?: () => number;
  readonly log: Log;
}

interface Entry {
  readonly container: Container;
  readonly ready: Promise<void>;
  state: 'starting' | 'ready' | 'draining';
  lastUsedMs: number;
  forks: number;
  reason: string;
}

export class Zygotes {
  readonly #options: ZygotesOptions;
  /** By the image's digest. */
  readonly #entries = new Map<string, Entry>();
  readonly #draining = new Set<Entry>();
  readonly #failures = new Map<string, { count: number; reason: string }>();
  readonly #nowMs: () => number;

  constructor(options: ZygotesOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /**
   * Says how the container is to be started: `container.zygote` and `startReason` are
   * set. May wait for a zygote that has to be made first. FAILED_PRECONDITION.
   */
  async choose(start: Start): Promise<void> {
    const { container, image, request } = start;
    const decision = decideStart({
      mode: request.startMode,
      enabled: this.#options.enabled,
      support: image.zygote,
      ownCommand: request.command !== null,
      standing: this.#standing(image.disk.digest),
    });
    switch (decision.kind) {
      case 'refuse':
        throw notByZygote(container, decision.reason);
      case 'crun':
        container.startReason = decision.reason;
        return;
      case 'zygote':
        this.#adopt(container, this.#entries.get(image.disk.digest), decision.reason);
        return;
      case 'zygote-first':
        this.#failures.delete(image.disk.digest);
        await start.clock.time('zygote', () => this.#makeOrRefuse(start).ready);
        this.#adopt(container, this.#entries.get(image.disk.digest), 'it was asked for so');
    }
  }

  /** The guest has started it: by its zygote, or else by crun, for `fallbackReason`. */
  started(start: Start, fallbackReason: string): void {
    const { container, image } = start;
    const { digest } = image.disk;
    if (container.zygote !== null && fallbackReason !== '') {
      const entry = this.#entryOf(container.zygote);
      this.childEnded(container);
      container.zygote = null;
      container.startReason = `its zygote could not fork it: ${fallbackReason}`;
      this.#failed(digest, container.startReason);
      const failures = this.#failures.get(digest)?.count ?? 0;
      if (entry !== null && failures >= FAILURES_MAX)
        void this.drop(entry.container, fallbackReason);
      return;
    }
    if (container.zygote !== null) {
      const entry = this.#entryOf(container.zygote);
      if (entry !== null) entry.forks += 1;
      this.#failures.delete(digest);
      return;
    }
    const decision = decideStart({
      mode: start.request.startMode,
      enabled: this.#options.enabled,
      support: image.zygote,
      ownCommand: start.request.command !== null,
      standing: this.#standing(digest),
    });
    // In the background: nobody waits for it, and how it went is logged.
    if (decision.kind === 'crun' && decision.makeOne) this.#make(start)?.ready.catch(() => {});
  }

  /** A container shares nothing any more: it has ended, or its start has failed. */
  childEnded(container: Container): void {
    container.zygote?.removeChild(container.id);
  }

  /** It has ended, for whatever reason; its zone may have to wait for its children. */
  ended(zygote: Container, reason: string): void {
    const entry = this.#entryOf(zygote);
    if (entry === null) return;
    if (entry.state === 'ready') {
      entry.reason = reason;
      this.#failed(zygote.facts.imageDigest, `its zygote has ended: ${reason}`);
    }
    this.#drain(entry);
    void zygote.whenChildless().then(() => this.#draining.delete(entry));
  }

  /** Ends one. Its zone comes back when nobody shares it. */
  async drop(zygote: Container, reason: string): Promise<void> {
    const entry = this.#entryOf(zygote);
    if (entry === null || entry.state === 'draining') return;
    await entry.ready.catch(() => {});
    // It may have ended, or somebody else may drop it, meanwhile.
    if (entry.state !== 'ready') return;
    entry.reason = reason;
    this.#drain(entry);
    await this.#options.stop(zygote, reason);
  }

  /** Ready ones that give their zone back at once, in the order in which they can go. */
  droppable(): { readonly zygote: Container; readonly lastUsedMs: number }[] {
    const ready = [...this.#entries.values()].filter(({ state }) => state === 'ready');
    const facts = ready.map((entry) => ({
      id: entry,
      children: entry.container.childCount,
      lastUsedMs: entry.lastUsedMs,
    }));
    return zygotesToDrop(facts).map((entry) => ({
      zygote: entry.container,
      lastUsedMs: entry.lastUsedMs,
    }));
  }

  views(): ZygoteView[] {
    return [...this.#entries.values(), ...this.#draining].map((entry) => {
      const { container, state } = entry;
      const { facts } = container;
      return {
        zygoteId: container.id,
        functionId: facts.functionId,
        imageDigest: facts.imageDigest,
        state: STATES[state],
        zoneId: facts.zone.zoneId,
        residentBytes: this.#options.residentBytes(container),
        children: container.childCount,
        forks: entry.forks,
        runtime: container.runtime,
        reason: entry.reason,
        createdAt: facts.createdAt,
      };
    });
  }

  #standing(digest: string): ZygoteStanding {
    const failure = this.#failures.get(digest);
    if (failure !== undefined && failure.count >= FAILURES_MAX) {
      return { kind: 'failed', reason: failure.reason };
    }
    const entry = this.#entries.get(digest);
    if (entry === undefined || entry.state === 'draining') return { kind: 'none' };
    return { kind: entry.state };
  }

  #adopt(container: Container, entry: Entry | undefined, reason: string): void {
    if (entry?.state !== 'ready') throw notByZygote(container, 'its zygote has just ended');
    entry.lastUsedMs = this.#nowMs();
    entry.container.addChild(container.id);
    container.zygote = entry.container;
    container.startReason = reason;
  }

  #makeOrRefuse(start: Start): Entry {
    const entry = this.#make(start);
    if (entry === null) throw notByZygote(start.container, 'there is no room for its zygote');
    return entry;
  }

  /** The one that is there, or a new one; null: there is no room for it. */
  #make(start: Start): Entry | null {
    const { image, container: like } = start;
    const { digest } = image.disk;
    const known = this.#entries.get(digest);
    if (known !== undefined) return known;
    const container = this.#options.reserve(like, image);
    if (container === null) return null;
    const entry: Entry = {
      container,
      ready: this.#options.start(container, start).then(
        () => this.#becameReady(entry),
        (error: unknown) => this.#couldNot(entry, error),
      ),
      state: 'starting',
      lastUsedMs: this.#nowMs(),
      forks: 0,
      reason: '',
    };
    this.#entries.set(digest, entry);
    return entry;
  }

  #becameReady(entry: Entry): void {
    const { container } = entry;
    if (entry.state === 'starting') entry.state = 'ready';
    const { functionId, imageDigest } = container.facts;
    this.#options.log.info({ zygoteId: container.id, functionId }, 'a zygote is ready');
    for (const other of [...this.#entries.values()]) {
      const facts = other.container.facts;
      if (facts.functionId !== functionId || facts.imageDigest === imageDigest) continue;
      void this.drop(other.container, 'its function has a newer revision');
    }
  }

  #couldNot(entry: Entry, error: unknown): never {
    const { container } = entry;
    const { imageDigest, functionId } = container.facts;
    if (this.#entries.get(imageDigest) === entry) this.#entries.delete(imageDigest);
    const reason = messageOf(error);
    // The function has said no, and will again.
    const final = error instanceof CzoneError && error.code === 'FAILED_PRECONDITION';
    this.#failed(imageDigest, reason, final ? FAILURES_MAX : 1);
    this.#options.log.warn({ zygoteId: container.id, functionId, reason }, 'no zygote was made');
    throw error;
  }

  #failed(digest: string, reason: string, weight = 1): void {
    const count = (this.#failures.get(digest)?.count ?? 0) + weight;
    this.#failures.set(digest, { count, reason });
  }

  /** Nobody is forked from it any more. */
  #drain(entry: Entry): void {
    const digest = entry.container.facts.imageDigest;
    if (this.#entries.get(digest) === entry) this.#entries.delete(digest);
    entry.state = 'draining';
    this.#draining.add(entry);
  }

  #entryOf(zygote: Container): Entry | null {
    const all = [...this.#entries.values(), ...this.#draining];
    return all.find(({ container }) => container === zygote) ?? null;
  }
}

const STATES = { starting: 'STARTING', ready: 'READY', draining: 'DRAINING' } as const;

function notByZygote(container: Container, reason: string): CzoneError {
  return new CzoneError(
    'FAILED_PRECONDITION',
    `${container.facts.functionId} can't be started by a zygote: ${reason}`,
  );
}
