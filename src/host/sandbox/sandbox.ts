// SPDX-License-Identifier: Apache-2.0
// One VM of one tenant with everything in it: state machine (vm/vm-state.ts), ledger,
// device, guest daemon, containers. It alone moves the VM's state.
import { setTimeout as sleep } from 'node:timers/promises';
import { CzoneError, messageOf } from '../../protocol/errors.js';
import type {
  GetInfoResponse,
  ContainerExit as GuestExit,
  ListContainersResponse,
  LogChunk,
} from '../../protocol/gen/czone/guest/v1/agent.js';
import {
  type ContainerId,
  type SandboxId,
  type TenantId,
  ZONE_ID_MAX,
} from '../../protocol/ids.js';
import { BLOCK_BYTES } from '../../protocol/units.js';
import { AgentLink } from '../agent/agent-link.js';
import { printable } from '../agent/printable.js';
import type { Container } from '../containers/container.js';
import { readExit, UNKNOWN_EXIT } from '../containers/exits.js';
import { finishContainer, loseContainer } from '../containers/finish.js';
import type { GuestSide } from '../containers/guest-side.js';
import { type Start, startContainer } from '../containers/start.js';
import type { ContainerExit, SandboxState } from '../controller-api.js';
import { Ledger } from '../ledger/ledger.js';
import { LIMITS } from '../limits.js';
import type { Log } from '../log.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import { GuestAddresses } from '../ports/guest-addresses.js';
import { vmPaths } from '../state/run-dir.js';
import { AGENT_PORT_ID, REGION_START } from '../vm/command-line.js';
import { DeviceSlot } from '../vm/device-slot.js';
import { Disks } from '../vm/disks.js';
import type { MemoryFile } from '../vm/memory-file.js';
import type { QmpClient } from '../vm/qmp.js';
import { Vm } from '../vm/vm.js';
import { VmStateMachine } from '../vm/vm-state.js';
import { ZoneKeeper } from '../zones/zone-keeper.js';
import { bootFailure } from './boot-failure.js';
import type { SandboxEnvironment } from './environment.js';

const DEVICE_RECOVERIES = 4;
const DEVICE_RECOVERY_PAUSE_MS = 500;

export class Sandbox implements GuestSide {
  readonly sandboxId: SandboxId;
  readonly tenantId: TenantId;
  readonly createdAt = new Date();
  readonly ledger: Ledger;
  readonly zones: ZoneKeeper;
  readonly disks = new Disks(LIMITS.imageSlots);
  readonly addresses = new GuestAddresses();
  readonly logs: ContainerLogs;
  readonly log: Log;
  /** Those of which anything is left in the VM, its zone at least. */
  readonly containers = new Map<ContainerId, Container>();
  guestKernel = '';
  readonly #environment: SandboxEnvironment;
  readonly #machine = new VmStateMachine();
  readonly #booted: Promise<void>;
  #vm: Vm | null = null;
  #slot: DeviceSlot | null = null;
  #agent: AgentLink | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  #ending: Promise<number> | null = null;
  #recoveringDevice = false;
  /** Called when the VM is ready again, and when it is over. */
  readonly #recoveryWaiters = new Set<() => void>();

  /** Boots at once; `whenReady` tells how that went. */
  constructor(environment: SandboxEnvironment, sandboxId: SandboxId, tenantId: TenantId) {
    const { config } = environment;
    this.#environment = environment;
    this.sandboxId = sandboxId;
    this.tenantId = tenantId;
    this.log = environment.log;
    this.logs = environment.logs;
    this.ledger = new Ledger({
      regionStart: REGION_START,
      regionBytes: config.regionBytes,
      maxZones: Math.min(ZONE_ID_MAX, config.regionBytes / BLOCK_BYTES),
      fallowZoneIds: LIMITS.fallowZoneIds,
    });
    this.zones = new ZoneKeeper({
      ledger: this.ledger,
      device: () => this.#slot?.device ?? null,
      zoneBytes: (start, sizeBytes) => this.#vm?.memory.zoneBytes(start, sizeBytes) ?? 0,
      log: environment.log,
    });
    this.#booted = this.#boot();
    // Every waiter gets the error of its own; without one it is only logged.
    this.#booted.catch(() => {});
  }

  get state(): SandboxState {
    const { state } = this.#machine;
    return state === 'STOPPED' ? 'STOPPING' : state;
  }

  get over(): boolean {
    return this.#ending !== null;
  }

  get vmmPid(): number {
    return this.#vm?.process.pid ?? 0;
  }

  get memory(): MemoryFile | null {
    return this.#vm?.memory ?? null;
  }

  get liveCount(): number {
    return [...this.containers.values()].filter(({ state }) => state !== 'EXITED').length;
  }

  async whenReady(): Promise<void> {
    await this.#booted;
    if (this.over) throw this.#gone();
    if (this.#machine.state !== 'RECOVERING') return;
    await new Promise<void>((resolve) => this.#recoveryWaiters.add(resolve));
    return this.whenReady();
  }

  agent(): AgentLink {
    if (this.#agent === null || this.over) throw this.#gone();
    return this.#agent;
  }

  qmp(): QmpClient {
    if (this.#vm === null) throw this.#gone();
    return this.#vm.qmp;
  }

  /** The container's zone is reserved already. */
  async start(start: Start): Promise<void> {
    const { container } = start;
    this.containers.set(container.id, container);
    this.#watchIdle();
    try {
      await startContainer(this, start);
      if (this.over) throw this.#gone();
      container.state = 'RUNNING';
      this.settle(container);
    } catch (error) {
      this.containers.delete(container.id);
      this.#watchIdle();
      throw error;
    }
  }

  /** Acts on an exit that came while a call for the container was under way. */
  settle(container: Container): void {
    if (container.reportedExit === null || container.finished !== null) return;
    if (container.state !== 'RUNNING' && container.state !== 'PAUSED') return;
    void this.finish(container, container.reportedExit);
  }

  /** The container has ended in the guest; fulfilled when its zone was dealt with. */
  finish(container: Container, exit: ContainerExit): Promise<void> {
    const first = container.finished === null;
    const finished = finishContainer(this, container, exit, () => {
      this.containers.delete(container.id);
      this.#watchIdle();
    });
    if (first) this.#environment.onContainerEnded(container);
    return finished;
  }

  /** Ends the VM. The bytes that the host has back. Idempotent. */
  end(): Promise<number> {
    if (this.#ending === null) {
      this.#machine.move(this.#machine.may('STOPPING') ? 'STOPPING' : 'FAILED');
      this.#ending = this.#tearDown();
    }
    return this.#ending;
  }

  async #boot(): Promise<void> {
    const { config } = this.#environment;
    const begin = performance.now();
    const paths = vmPaths(config.runDir, this.sandboxId);
    try {
      const vm = await Vm.start({
        ...this.#environment,
        sandboxId: this.sandboxId,
        tenantId: this.tenantId,
        paths,
        vcpus: config.vcpus,
        bootMemoryBytes: config.bootMemoryBytes,
        regionBytes: config.regionBytes,
        debugShell: config.debugShell,
      });
      this.#vm = vm;
      if (this.over) throw this.#gone();
      void vm.process.ended.then((how) => this.#fail(`QEMU ended ${how}`));
      this.#slot = this.#makeSlot(vm);
      this.#agent = new AgentLink({
        socketPath: paths.agentSocket,
        proxyPath: paths.grpcSocket,
        listeners: {
          onUp: (info, snapshot) => this.#agentUp(info, snapshot),
          onExit: (exit) => this.#containerExited(exit),
          onLog: (chunk) => this.#logged(chunk),
          onDown: (reason) => this.#recovering(`the guest daemon was lost: ${reason}`),
          onGivenUp: (reason) => void this.#fail(`the guest daemon stayed away: ${reason}`),
        },
      });
      const agent = this.#agent;
      vm.qmp.onEvent(({ name, data }) => {
        const closed = data['id'] === AGENT_PORT_ID && data['open'] === false;
        if (name === 'VSERPORT_CHANGE' && closed) agent.interrupt();
      });
      agent.start(LIMITS.bootMs);
      await agent.whenUp(LIMITS.bootMs);
      await this.#slot.attach();
      this.#machine.move('READY');
      const bootMs = Math.round(performance.now() - begin);
      this.log.info({ sandboxId: this.sandboxId, bootMs }, 'VM is ready');
      this.#watchIdle();
    } catch (error) {
      const failure = await bootFailure(
        `${this.sandboxId} of tenant ${this.tenantId}`,
        this.#vm,
        error,
      );
      void this.#fail(messageOf(failure));
      throw failure;
    }
  }

  #makeSlot(vm: Vm): DeviceSlot {
    const { config } = this.#environment;
    return new DeviceSlot({
      addon: this.#environment.addon,
      qmp: vm.qmp,
      regionBytes: config.regionBytes,
      maxZones: Math.min(ZONE_ID_MAX, config.regionBytes / BLOCK_BYTES),
      socketPath: vmPaths(config.runDir, this.sandboxId).deviceSocket,
      onLost: (reason) => void this.#recoverDevice(reason),
      onViolation: (detail) =>
        this.log.warn({ sandboxId: this.sandboxId, detail }, 'the guest broke the protocol'),
    });
  }

  #agentUp(info: GetInfoResponse, snapshot: ListContainersResponse): void {
    this.guestKernel = printable(info.kernelRelease, 100);
    const there = new Set(snapshot.containers.map((container) => container.containerId));
    for (const container of this.containers.values()) {
      if (container.state !== 'RUNNING' && container.state !== 'PAUSED') continue;
      if (!there.has(container.id)) void this.finish(container, UNKNOWN_EXIT);
    }
    for (const containerId of there) {
      if (this.containers.has(containerId as ContainerId)) continue;
      // A start that was given up while the daemon was away.
      this.#agent?.client.stopContainer(containerId, 0).catch(() => {});
    }
    void this.#recovered();
  }

  #containerExited(exit: GuestExit): void {
    const container = this.containers.get(exit.containerId as ContainerId);
    if (container === undefined) return;
    container.reportedExit = readExit(exit);
    // A start or stop under way comes first: it may hear of it by its own call.
    this.settle(container);
  }

  #logged(chunk: LogChunk): void {
    const containerId = chunk.containerId as ContainerId;
    if (!this.containers.has(containerId)) return;
    this.logs.append(containerId, chunk.data, Number(chunk.droppedBytes));
  }

  #recovering(reason: string): void {
    if (this.over) return;
    this.log.warn({ sandboxId: this.sandboxId, reason }, 'VM is recovering');
    if (this.#machine.may('RECOVERING')) this.#machine.move('RECOVERING');
  }

  /** Ready again when daemon and device both answer and the views were compared. */
  async #recovered(): Promise<void> {
    const complete = () =>
      this.#machine.state === 'RECOVERING' &&
      this.#agent?.up === true &&
      this.#slot?.device?.ready === true;
    if (!complete()) return;
    try {
      await this.zones.compare();
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'the guest was not compared');
    }
    if (!complete()) return;
    this.#machine.move('READY');
    this.log.info({ sandboxId: this.sandboxId }, 'VM is ready again');
    this.#wakeWaiters();
  }

  #wakeWaiters(): void {
    for (const wake of this.#recoveryWaiters) wake();
    this.#recoveryWaiters.clear();
  }

  async #recoverDevice(reason: string): Promise<void> {
    this.#recovering(`the czone device was lost: ${reason}`);
    if (this.#recoveringDevice || this.#slot === null) return;
    this.#recoveringDevice = true;
    let failure: unknown = null;
    for (let attempt = 0; attempt < DEVICE_RECOVERIES && !this.over; attempt += 1) {
      // QEMU's own end looks the same at first.
      await sleep(DEVICE_RECOVERY_PAUSE_MS);
      if (this.over) break;
      try {
        await this.#slot.recover();
        failure = null;
        break;
      } catch (error) {
        failure = error;
      }
    }
    this.#recoveringDevice = false;
    if (failure !== null) await this.#fail(`the czone device stayed away: ${messageOf(failure)}`);
    else await this.#recovered();
  }

  async #fail(reason: string): Promise<void> {
    if (this.over) return;
    this.log.error({ sandboxId: this.sandboxId, reason }, 'VM failed');
    this.#machine.move('FAILED');
    this.#ending = this.#tearDown();
    await this.#ending;
  }

  async #tearDown(): Promise<number> {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#wakeWaiters();
    this.#agent?.close();
    // A QEMU that is just being started must not be left behind.
    if (this.#vm === null) await this.#booted.catch(() => {});
    const vm = this.#vm;
    const returnedBytes = vm?.memory.totalBytes() ?? 0;
    const residents = new Map(
      this.ledger
        .zones()
        .map((zone) => [zone.containerId, vm?.memory.zoneBytes(zone.start, zone.sizeBytes) ?? 0]),
    );
    const begin = performance.now();
    this.zones.end();
    this.#slot?.close();
    await vm?.quit();
    await vm?.dispose();
    const unplugUs = Math.round((performance.now() - begin) * 1000);
    for (const container of this.containers.values()) {
      if (container.state === 'STARTING') continue;
      const wasLive = container.finished === null;
      loseContainer(container, residents.get(container.id) ?? 0, unplugUs);
      this.logs.end(container.id);
      if (wasLive) this.#environment.onContainerEnded(container);
    }
    this.containers.clear();
    this.#machine.move('STOPPED');
    this.#environment.onSandboxEnded(this.sandboxId);
    return returnedBytes;
  }

  /** An empty VM is kept for a while, since booting one is slow. */
  #watchIdle(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    const { sandboxIdleMs } = this.#environment.config;
    if (sandboxIdleMs === 0 || this.containers.size > 0 || this.over) return;
    this.#idleTimer = setTimeout(() => {
      if (this.containers.size > 0 || this.over) return;
      this.log.info({ sandboxId: this.sandboxId }, 'an empty VM is ended');
      void this.end();
    }, sandboxIdleMs);
    this.#idleTimer.unref();
  }

  #gone(): CzoneError {
    return new CzoneError('UNAVAILABLE', `${this.sandboxId} has ended or is ending`);
  }
}
