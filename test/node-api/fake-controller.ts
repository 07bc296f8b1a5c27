// SPDX-License-Identifier: Apache-2.0
// A controller without VMs: keeps containers in memory, records what it was asked
// and fails where a test says so. It stands beside the tests on real VMs.
import type {
  ContainerView,
  Controller,
  NodeInfo,
  NodeMemory,
  PlaceRequest,
  ProcessPlacement,
  ReclaimedZone,
  ReclaimOptions,
  SandboxView,
  ZoneMemory,
  ZygoteView,
} from '../../src/host/controller-api.js';
import { CzoneError } from '../../src/protocol/errors.js';
import {
  type ContainerId,
  parseContainerId,
  parseFunctionId,
  parseSandboxId,
  parseTenantId,
  parseZoneId,
  type SandboxId,
} from '../../src/protocol/ids.js';
import { GIB, MIB } from '../../src/protocol/units.js';

const REGION_START = 4 * GIB;

export class FakeController implements Controller {
  readonly calls: { method: string; args: unknown[] }[] = [];
  /** What a method throws instead of doing its work. */
  readonly failures = new Map<string, Error>();
  /** `place` waits for this, or for its signal. */
  placeGate: Promise<void> = Promise.resolve();
  /** Set when a placement was cancelled. */
  placeCancelled: unknown = null;
  logChunks: Uint8Array[] = [Buffer.from('line 1\n'), Buffer.from('line 2\n')];
  logSignal: AbortSignal | null = null;
  closed = false;
  /** Of every sandbox that is made or asked for. */
  zombies: ZoneMemory[] = [];
  zygotes: ZygoteView[] = [];
  readonly #containers: ContainerView[] = [];
  readonly #sandboxes: SandboxView[] = [];
  #clockMs = Date.parse('2026-01-01T00:00:00Z');

  async place(request: PlaceRequest, signal: AbortSignal): Promise<ContainerView> {
    this.#called('place', request);
    await Promise.race([
      this.placeGate,
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          this.placeCancelled = signal.reason;
          reject(signal.reason as Error);
        });
      }),
    ]);
    if (request.functionId === 'missing') {
      throw new CzoneError('NOT_FOUND', 'function missing is not in the catalogue');
    }
    return this.add({
      tenantId: request.tenantId,
      functionId: request.functionId,
      memoryBytes: request.memoryBytes,
      labels: request.labels,
    });
  }

  /** A running container, as if it had been placed. */
  add(change: Partial<ContainerView> = {}): ContainerView {
    const index = this.#containers.length;
    const tenantId = change.tenantId ?? must(parseTenantId('acme'));
    const before = this.#sandboxes.find((sandbox) => sandbox.tenantId === tenantId);
    const sandbox = before ?? this.#addSandbox(tenantId);
    const view: ContainerView = {
      containerId: must(parseContainerId(`c-${(0xa00000000000 + index).toString(16)}`)),
      sandboxId: sandbox.sandboxId,
      tenantId,
      functionId: must(parseFunctionId('html')),
      imageDigest: `sha256:${'ab'.repeat(32)}`,
      zoneId: must(parseZoneId((index % 4095) + 1)),
      rangeStart: REGION_START + index * 68 * MIB,
      rangeBytes: 66 * MIB,
      limitBytes: 66 * MIB,
      memoryBytes: 64 * MIB,
      state: 'RUNNING',
      endpoint: `http://127.0.0.1:${20000 + index}`,
      startKind: before ? 'WARM_SANDBOX' : 'COLD',
      placementReason: before ? 'its VM has room' : 'the tenant had no VM',
      startReason: 'the function has no zygote in this VM yet',
      zygoteId: null,
      stages: [
        { name: 'plug', durationUs: 1_200 },
        { name: 'ready', durationUs: 250_000 },
      ],
      labels: [],
      createdAt: new Date(this.#clockMs++),
      exit: null,
      memoryReturn: null,
      guestPid: 200 + index,
      plugGuestUs: 900,
      ...change,
    };
    this.#containers.push(view);
    return view;
  }

  async stop(containerId: ContainerId, graceMs: number): Promise<ContainerView> {
    this.#called('stop', containerId, graceMs);
    return this.#change(containerId, (view) =>
      view.state === 'EXITED'
        ? {}
        : {
            state: 'EXITED',
            exit: { reason: 'STOPPED', exitCode: 0, signal: 15 },
            memoryReturn: {
              residentBytes: 20 * MIB,
              returnedBytes: 20 * MIB,
              earlyBytes: 16 * MIB,
              unplugUs: 5_000,
              guestUs: 700,
              complete: true,
            },
          },
    );
  }

  async pause(containerId: ContainerId): Promise<ContainerView> {
    this.#called('pause', containerId);
    return this.#change(containerId, (view) => {
      if (view.state !== 'RUNNING') {
        throw new CzoneError(
          'FAILED_PRECONDITION',
          `container ${containerId} is ${view.state}, not RUNNING`,
        );
      }
      return { state: 'PAUSED' };
    });
  }

  async resume(containerId: ContainerId): Promise<ContainerView> {
    this.#called('resume', containerId);
    return this.#change(containerId, (view) => {
      if (view.state !== 'PAUSED') {
        throw new CzoneError(
          'FAILED_PRECONDITION',
          `container ${containerId} is ${view.state}, not PAUSED`,
        );
      }
      return { state: 'RUNNING' };
    });
  }

  async inspect(containerId: ContainerId): Promise<readonly ProcessPlacement[]> {
    this.#called('inspect', containerId);
    const view = this.#find(containerId);
    return [
      {
        pid: view.guestPid,
        name: 'python3',
        zoneId: view.zoneId,
        anonymous: { inZone: 1_500, outside: 0 },
        text: { inZone: 0, outside: 700 },
        file: { inZone: 0, outside: 300 },
        textFrames: [0x1000, 0x1001],
      },
    ];
  }

  containers(): readonly ContainerView[] {
    this.#called('containers');
    return this.#containers;
  }

  sandboxes(): readonly SandboxView[] {
    this.#called('sandboxes');
    return this.#sandboxes;
  }

  async deleteSandbox(sandboxId: SandboxId): Promise<{ returnedBytes: number }> {
    this.#called('deleteSandbox', sandboxId);
    const at = this.#sandboxes.findIndex((sandbox) => sandbox.sandboxId === sandboxId);
    if (at < 0) return { returnedBytes: 0 };
    this.#sandboxes.splice(at, 1);
    return { returnedBytes: 80 * MIB };
  }

  async reclaim(
    scope: { containerId: ContainerId } | { sandboxId: SandboxId } | null,
    options: ReclaimOptions,
  ): Promise<{ returnedBytes: number; zones: readonly ReclaimedZone[] }> {
    this.#called('reclaim', scope, options);
    const zones = this.#containers
      .filter((view) =>
        scope === null
          ? true
          : 'containerId' in scope
            ? view.containerId === scope.containerId
            : view.sandboxId === scope.sandboxId,
      )
      .map((view) => ({
        containerId: view.containerId,
        zoneId: view.zoneId,
        residentBeforeBytes: 40 * MIB,
        returnedBytes: 24 * MIB,
        durationUs: 1_500,
        ranges: 3,
        sizeBytes: 58 * MIB,
        shrunkBytes: 8 * MIB,
        coldBytes: Math.min(options.coldBytes, 5 * MIB),
        swappedBytes: options.coldBytes === 0 ? 0 : MIB,
      }));
    return { returnedBytes: zones.length * 24 * MIB, zones };
  }

  memory(sandboxId: SandboxId | null): NodeMemory {
    this.#called('memory', sandboxId);
    const sandboxes = this.#sandboxes.filter(
      (sandbox) => sandboxId === null || sandbox.sandboxId === sandboxId,
    );
    if (sandboxId !== null && sandboxes.length === 0) {
      throw new CzoneError('NOT_FOUND', `sandbox ${sandboxId} is not on this node`);
    }
    return {
      residentBytes: 100 * MIB,
      pluggedBytes: 66 * MIB,
      budgetBytes: 8 * GIB,
      freeBudgetBytes: 8 * GIB - 66 * MIB,
      spareBytes: 8 * GIB - 60 * MIB,
      sandboxes: sandboxes.map((sandbox) => ({
        sandboxId: sandbox.sandboxId,
        tenantId: sandbox.tenantId,
        regionStart: REGION_START,
        regionBytes: sandbox.regionBytes,
        pluggedBytes: 66 * MIB,
        limitBytes: 66 * MIB,
        residentBytes: 100 * MIB,
        bootResidentBytes: 60 * MIB,
        zonesResidentBytes: 40 * MIB,
        strayBytes: 0,
        vmmBytes: 30 * MIB,
        zones: this.#containers
          .filter((view) => view.sandboxId === sandbox.sandboxId)
          .map(
            (view): ZoneMemory => ({
              zoneId: view.zoneId,
              rangeStart: view.rangeStart,
              rangeBytes: view.rangeBytes,
              state: 'plugged',
              containerId: view.state === 'EXITED' ? null : view.containerId,
              limitBytes: view.limitBytes,
              residentBytes: 40 * MIB,
              inUseBytes: 0,
              pins: [],
            }),
          )
          .concat(this.zombies),
      })),
    };
  }

  info(): NodeInfo {
    this.#called('info');
    return {
      version: '0.1.0',
      nodeId: 'node-1',
      pid: process.pid,
      startedAt: new Date(this.#clockMs),
      accelerator: 'tcg',
      acceleratorReason: '/dev/kvm does not exist',
      vmmVersion: '9.2.0',
      guestKernel: '6.12',
      sandboxCount: this.#sandboxes.length,
      containerCount: this.#containers.length,
      maxSandboxes: 8,
      budgetBytes: 8 * GIB,
      sandboxRegionBytes: 2 * GIB,
      sandboxBootMemoryBytes: 256 * MIB,
      functions: [
        {
          functionId: must(parseFunctionId('html')),
          description: 'Renders an HTML page',
          defaultMemoryBytes: 64 * MIB,
        },
      ],
    };
  }

  async *read(
    containerId: ContainerId,
    options: { follow: boolean; tailBytes: number; signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    this.#called('read', containerId, options.follow, options.tailBytes);
    this.#find(containerId);
    this.logSignal = options.signal;
    for (const chunk of this.logChunks) {
      if (options.signal.aborted) return;
      yield chunk;
    }
    if (options.follow) {
      await new Promise((resolve) => options.signal.addEventListener('abort', resolve));
    }
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #addSandbox(tenantId: SandboxView['tenantId']): SandboxView {
    const sandbox: SandboxView = {
      sandboxId: must(parseSandboxId(`vm-${(0xb0000000 + this.#sandboxes.length).toString(16)}`)),
      tenantId,
      state: 'READY',
      vmmPid: 4_000 + this.#sandboxes.length,
      accelerator: 'tcg',
      bootMemoryBytes: 256 * MIB,
      regionBytes: 2 * GIB,
      pluggedBytes: 66 * MIB,
      limitBytes: 66 * MIB,
      containerCount: 1,
      createdAt: new Date(this.#clockMs++),
      zombies: this.zombies,
      zygotes: this.zygotes,
    };
    this.#sandboxes.push(sandbox);
    return sandbox;
  }

  #find(containerId: ContainerId): ContainerView {
    const view = this.#containers.find((item) => item.containerId === containerId);
    if (!view) throw new CzoneError('NOT_FOUND', `container ${containerId} is not on this node`);
    return view;
  }

  #change(
    containerId: ContainerId,
    change: (view: ContainerView) => Partial<ContainerView>,
  ): ContainerView {
    const view = this.#find(containerId);
    const changed = { ...view, ...change(view) };
    this.#containers[this.#containers.indexOf(view)] = changed;
    return changed;
  }

  #called(method: string, ...args: unknown[]): void {
    this.calls.push({ method, args });
    const failure = this.failures.get(method);
    if (failure !== undefined) throw failure;
  }
}

function must<Value>(value: Value | null): Value {
  if (value === null) throw new Error('the fake made an id that is none');
  return value;
}
