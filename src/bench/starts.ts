// SPDX-License-Identifier: Apache-2.0
// What a zygote is worth: start to first right response, by zygote and by crun in turns
// in the same VM, beside so many live containers, and many at once; and what a container
// of a zygote costs the host. Ratios hold elsewhere, absolute times do not.
import type { ContainerView, NodeInfo, StageName, StartMode } from '../host/controller-api.js';
import type { NodeClient } from '../node-api/client.js';
import { CzoneError } from '../protocol/errors.js';
import { MIB } from '../protocol/units.js';
import { type Spread, spreadOf } from './spread.js';

export interface StartsOptions {
  readonly client: NodeClient;
  readonly functions: readonly string[];
  /** Containers that live when a start is measured, that one included. */
  readonly counts: readonly number[];
  /** Starts of each way at each count. */
  readonly samples: number;
  /** Starts side by side; 0: not measured. */
  readonly atOnce: number;
  /** Containers whose bytes are counted; 0: not measured. */
  readonly footprintOf: number;
  /** Requests to each of them, before the bytes are counted the second time. */
  readonly requests: number;
  /** Sends a request whose right answer is known; null: it was answered right. */
  readonly ask: (functionId: string, endpoint: string) => Promise<string | null>;
  readonly settle: () => Promise<void>;
  readonly say: (line: string) => void;
}

export interface WayFigures {
  /** From the placement's call to the first right response. */
  readonly totalUs: Spread;
  readonly stagesUs: readonly { readonly name: StageName; readonly median: number }[];
}

export interface StartComparison {
  /** Live containers; with `atOnce`, starts side by side. */
  readonly count: number;
  readonly crun: WayFigures;
  readonly zygote: WayFigures;
  /** How many times longer crun takes, by the medians. */
  readonly ratio: number;
}

export interface Footprint {
  readonly count: number;
  /** Host bytes of the VM by container beyond those of none, memmap and guest kernel included. */
  readonly eachAfterFirstBytes: number;
  readonly eachAfterAllBytes: number;
  /** Of it, in the containers' own zones. */
  readonly zoneAfterFirstBytes: number;
  readonly zoneAfterAllBytes: number;
  readonly zygoteBytes: number;
}

export interface FunctionStarts {
  readonly functionId: string;
  readonly beside: readonly StartComparison[];
  readonly atOnce: StartComparison | null;
  readonly footprint: Footprint | null;
}

export interface Starts {
  readonly accelerator: NodeInfo['accelerator'];
  readonly guestKernel: string;
  readonly vmm: string;
  readonly requests: number;
  readonly functions: readonly FunctionStarts[];
}

const TENANT = 'starts';
const MEMORY_BYTES = 48 * MIB;
/** Placements that fill the VM, side by side. */
const FILLED_AT_ONCE = 4;

interface Sample {
  readonly view: ContainerView;
  readonly totalUs: number;
}

export async function measureStarts(options: StartsOptions): Promise<Starts> {
  const { client, requests } = options;
  const info = await client.info();
  const functions: FunctionStarts[] = [];
  for (const functionId of options.functions) {
    functions.push(await new OneFunction(options, functionId).measure());
  }
  return {
    accelerator: info.accelerator,
    guestKernel: info.guestKernel,
    vmm: info.vmmVersion,
    requests,
    functions,
  };
}

class OneFunction {
  readonly #options: StartsOptions;
  readonly #functionId: string;
  readonly #live: ContainerView[] = [];

  constructor(options: StartsOptions, functionId: string) {
    this.#options = options;
    this.#functionId = functionId;
  }

  async measure(): Promise<FunctionStarts> {
    const { counts, atOnce, footprintOf } = this.#options;
    // Boots the VM, attaches the image, fills the page cache, makes the zygote.
    for (const mode of ['CRUN', 'ZYGOTE'] as const) await this.#end((await this.#start(mode)).view);
    const beside: StartComparison[] = [];
    for (const count of [...counts].sort((a, b) => a - b)) {
      await this.#fillUpTo(count - 1);
      beside.push(await this.#compare(count));
    }
    await this.#fillUpTo(0);
    const together = atOnce === 0 ? null : await this.#compareAtOnce(atOnce);
    const footprint = footprintOf === 0 ? null : await this.#countBytes(footprintOf);
    for (const zygote of await this.#zygotes()) await this.#options.client.stop(zygote.zygoteId);
    return { functionId: this.#functionId, beside, atOnce: together, footprint };
  }

  /** In turns, so that whatever else the machine does meets both. */
  async #compare(count: number): Promise<StartComparison> {
    const samples: Record<'CRUN' | 'ZYGOTE', Sample[]> = { CRUN: [], ZYGOTE: [] };
    for (let n = 0; n < this.#options.samples; n++) {
      for (const mode of ['CRUN', 'ZYGOTE'] as const) {
        const sample = await this.#start(mode);
        samples[mode].push(sample);
        await this.#end(sample.view);
      }
    }
    return this.#told('beside', comparison(count, samples.CRUN, samples.ZYGOTE));
  }

  async #compareAtOnce(count: number): Promise<StartComparison> {
    const samples: Record<'CRUN' | 'ZYGOTE', Sample[]> = { CRUN: [], ZYGOTE: [] };
    for (const mode of ['CRUN', 'ZYGOTE'] as const) {
      samples[mode] = await Promise.all(Array.from({ length: count }, () => this.#start(mode)));
      for (const { view } of samples[mode]) await this.#end(view);
    }
    return this.#told('at once', comparison(count, samples.CRUN, samples.ZYGOTE));
  }

  #told(how: string, result: StartComparison): StartComparison {
    const ms = ({ totalUs }: WayFigures) => Math.round(totalUs.median / 1000);
    this.#options.say(
      `${this.#functionId}, ${result.count} ${how}: crun ${ms(result.crun)} ms, ` +
        `zygote ${ms(result.zygote)} ms, ratio ${result.ratio.toFixed(1)}`,
    );
    return result;
  }

  async #countBytes(count: number): Promise<Footprint> {
    const { client, settle, requests, say } = this.#options;
    await settle();
    const before = await this.#bytes();
    await this.#fillUpTo(count);
    await settle();
    const first = await this.#bytes();
    for (const view of this.#live) {
      for (let n = 1; n < requests; n++) await this.#ask(view);
    }
    await settle();
    const all = await this.#bytes();
    await client.reclaim(null);
    await this.#fillUpTo(0);
    const footprint = {
      count,
      eachAfterFirstBytes: (first.total - before.total) / count,
      eachAfterAllBytes: (all.total - before.total) / count,
      zoneAfterFirstBytes: first.own / count,
      zoneAfterAllBytes: all.own / count,
      zygoteBytes: all.zygote,
    };
    const mib = (bytes: number) => (bytes / MIB).toFixed(2);
    say(
      `${this.#functionId}: ${mib(footprint.eachAfterFirstBytes)} MiB each of ${count} after 1 ` +
        `request, ${mib(footprint.eachAfterAllBytes)} MiB after ${requests}`,
    );
    return footprint;
  }

  async #bytes(): Promise<{ total: number; own: number; zygote: number }> {
    const { client } = this.#options;
    const memory = (await client.memory()).sandboxes.find(({ tenantId }) => tenantId === TENANT);
    if (memory === undefined) throw new CzoneError('INTERNAL', 'the VM of the starts is gone');
    const own = new Set(this.#live.map(({ containerId }) => containerId as string));
    const zygotes = new Set((await this.#zygotes()).map(({ zygoteId }) => zygoteId as string));
    const sum = (ids: ReadonlySet<string>) =>
      memory.zones
        .filter(({ containerId }) => containerId !== null && ids.has(containerId))
        .reduce((bytes, { residentBytes }) => bytes + residentBytes, 0);
    return { total: memory.residentBytes, own: sum(own), zygote: sum(zygotes) };
  }

  async #zygotes() {
    const sandboxes = await this.#options.client.sandboxes();
    return sandboxes
      .filter(({ tenantId }) => tenantId === TENANT)
      .flatMap(({ zygotes }) => zygotes)
      .filter(({ functionId }) => functionId === this.#functionId);
  }

  /** By zygote: they are there to be there. */
  async #fillUpTo(count: number): Promise<void> {
    while (this.#live.length > count) {
      const view = this.#live.pop();
      if (view !== undefined) await this.#end(view);
    }
    while (this.#live.length < count) {
      const length = Math.min(FILLED_AT_ONCE, count - this.#live.length);
      const samples = await Promise.all(Array.from({ length }, () => this.#start('ZYGOTE')));
      this.#live.push(...samples.map(({ view }) => view));
    }
  }

  async #start(startMode: StartMode): Promise<Sample> {
    const begin = performance.now();
    const view = await this.#options.client.place({
      tenantId: TENANT,
      functionId: this.#functionId,
      memoryBytes: MEMORY_BYTES,
      startMode,
    });
    await this.#ask(view);
    return { view, totalUs: (performance.now() - begin) * 1000 };
  }

  async #ask({ endpoint }: ContainerView): Promise<void> {
    const fault = await this.#options.ask(this.#functionId, endpoint);
    if (fault !== null) throw new CzoneError('INTERNAL', `${this.#functionId}: ${fault}`);
  }

  async #end({ containerId }: ContainerView): Promise<void> {
    const { memoryReturn } = await this.#options.client.stop(containerId);
    if (memoryReturn?.returnedBytes === memoryReturn?.residentBytes) return;
    throw new CzoneError('INTERNAL', `${containerId} did not return all of its zone`);
  }
}

function comparison(count: number, crun: Sample[], zygote: Sample[]): StartComparison {
  const ways = { crun: figuresOf(crun), zygote: figuresOf(zygote) };
  return { count, ...ways, ratio: ways.crun.totalUs.median / ways.zygote.totalUs.median };
}

function figuresOf(samples: readonly Sample[]): WayFigures {
  const names = samples[0]?.view.stages.map(({ name }) => name) ?? [];
  return {
    totalUs: spreadOf(samples.map(({ totalUs }) => totalUs)),
    stagesUs: names.map((name) => ({
      name,
      median: spreadOf(
        samples.map(
          ({ view }) => view.stages.find((stage) => stage.name === name)?.durationUs ?? 0,
        ),
      ).median,
    })),
  };
}
