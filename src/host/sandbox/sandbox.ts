// SPDX-License-Identifier: Apache-2.0
// One VM of one tenant with everything in it: state machine (vm/vm-state.ts), ledger,
// device, guest daemon, containers. It alone moves the VM's state.
import { CzoneError, messageOf } from '../../protocol/errors.js';
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
import { describeExit, readExit, UNKNOWN_EXIT } from '../containers/exits.js';
import { finishContainer } from '../containers/finish.js';
import type { GuestSide } from '../containers/guest-side.js';
import { type Start, startContainer } from '../containers/start.js';
import { stopInGuest } from '../containers/stop-in-guest.js';
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
import { zygoteStart } from '../zygotes/zygote-start.js';
import { Zygotes } from '../zygotes/zygotes.js';
import { bootFailure } from './boot-failure.js';
import type { SandboxEnvironment } from './environment.js';
import { takeExit, takeLog, takeSnapshot } from './guest-reports.js';
import { IdleWatch } from './idle-watch.js';
import { Recovery } from './recovery.js';
import { tearDown } from './tear-down.js';

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
  readonly zygotes: Zygotes;
  guestKernel = '';
  readonly #environment: SandboxEnvironment;
  readonly #machine = new VmStateMachine();
  readonly #booted: Promise<void>;
  #vm: Vm | null = null;
  #slot: DeviceSlot | null = null;
  #agent: AgentLink | null = null;
  #ending: Promise<number> | null = null;
  readonly #idle: IdleWatch;
  readonly #recovery: Recovery;

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
      spareBytes: environment.spareBytes,
      firstBytes: config.firstBytes,
      log: environment.log,
    });
    this.#idle = new IdleWatch({
      idleMs: config.sandboxIdleMs,
      isIdle: () => this.#isEmpty && !this.over,
      onIdle: () => {
        this.log.info({ sandboxId }, 'an empty VM is ended');
        void this.end();
      },
    });
    this.zygotes = new Zygotes({
      enabled: config.zygotes,
      reserve: (like, image) => environment.reserveZygote(this, like, image),
      start: (zygote, like) => this.#startZygote(zygote, like),
      stop: (zygote) => this.#stopZygote(zygote),
      residentBytes: ({ facts: { zone } }) =>
        this.#vm?.memory.zoneBytes(zone.start, zone.limitBytes) ?? 0,
      log: environment.log,
    });
    this.#recovery = new Recovery({
      sandboxId,
      machine: this.#machine,
      zones: this.zones,
      slot: () => this.#slot,
      agentIsUp: () => this.#agent?.up === true,
      over: () => this.over,
      fail: (reason) => this.#fail(reason),
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

  /** Zygotes, which serve nobody, not counted. */
  get liveCount(): number {
    return this.#functions().filter(({ state }) => state !== 'EXITED').length;
  }

  async whenReady(): Promise<void> {
    await this.#booted;
    if (this.over) throw this.#gone();
    if (this.#machine.state !== 'RECOVERING') return;
    await this.#recovery.wait();
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
    this.#idle.look();
    try {
      await this.#chooseWay(start);
      const fallbackReason = await this.#run(start);
      this.zygotes.started(start, fallbackReason);
    } catch (error) {
      this.zygotes.childEnded(container);
      this.containers.delete(container.id);
      this.#idle.look();
      throw error;
    }
  }

  async #chooseWay(start: Start): Promise<void> {
    const { container } = start;
    const { zone, address } = container.facts;
    try {
      // A zygote can be made only in a VM that is there.
      if (start.request.startMode === 'ZYGOTE') {
        const ready = () => this.whenReady();
        await (start.waitsForVm ? start.clock.time('vm', ready) : ready());
      }
      await this.zygotes.choose(start);
    } catch (error) {
      this.zones.cancel(zone.zoneId);
      this.addresses.release(address);
      throw error;
    }
  }

  /** Why crun made it though it has a zygote; else empty. */
  async #run(start: Start): Promise<string> {
    const { container } = start;
    const fallbackReason = await startContainer(this, start).finally(this.#environment.onWork);
    if (this.over) throw this.#gone();
    container.state = 'RUNNING';
    this.settle(container);
    return fallbackReason;
  }

  async #startZygote(zygote: Container, like: Start): Promise<void> {
    this.containers.set(zygote.id, zygote);
    try {
      await this.#run(zygoteStart(zygote, like));
    } catch (error) {
      this.containers.delete(zygote.id);
      this.logs.discard(zygote.id);
      throw error;
    }
  }

  async #stopZygote(zygote: Container): Promise<void> {
    if (zygote.state !== 'RUNNING' || this.over) return;
    zygote.state = 'STOPPING';
    const exit = await stopInGuest(this, zygote.id, 0);
    void this.finish(zygote, exit === null ? UNKNOWN_EXIT : readExit(exit));
    if (zygote.childCount === 0) await zygote.finished;
  }

  #functions(): Container[] {
    return [...this.containers.values()].filter(({ isZygote }) => !isZygote);
  }

  /** Zygotes alone keep no VM; what outlives an ended container does. */
  get #isEmpty(): boolean {
    return [...this.containers.values()].every(
      ({ isZygote, state }) => isZygote && state !== 'EXITED',
    );
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
    if (container.isZygote) this.zygotes.ended(container, describeExit(exit));
    else this.zygotes.childEnded(container);
    const finished = finishContainer(this, container, exit, () => {
      this.containers.delete(container.id);
      this.#idle.look();
      this.#environment.onWork();
    });
    if (first && !container.isZygote) this.#environment.onContainerEnded(container);
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
        pageSize: config.pageSize,
        vcpus: config.vcpus,
        translationBytes: config.translationBytes,
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
        listeners: {
          onUp: (info, snapshot) => {
            this.guestKernel = printable(info.kernelRelease, 100);
            takeSnapshot(this, snapshot);
            void this.#recovery.regained();
          },
          onExit: (exit) => takeExit(this, exit),
          onLog: (chunk) => takeLog(this, chunk),
          onDown: (reason) => this.#recovery.lost(`the guest daemon was lost: ${reason}`),
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
      this.#idle.look();
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
      onLost: (reason) => void this.#recovery.deviceLost(reason),
      onViolation: (detail) =>
        this.log.warn({ sandboxId: this.sandboxId, detail }, 'the guest broke the protocol'),
      onWant: (zoneId, wantedBytes) => this.zones.want(zoneId, wantedBytes),
      onReleased: (zoneId) => this.zones.released(zoneId),
    });
  }

  async #fail(reason: string): Promise<void> {
    if (this.over) return;
    this.log.error({ sandboxId: this.sandboxId, reason }, 'VM failed');
    this.#machine.move('FAILED');
    this.#ending = this.#tearDown();
    await this.#ending;
  }

  async #tearDown(): Promise<number> {
    this.#idle.stop();
    this.#recovery.wakeWaiters();
    this.#agent?.close();
    // A QEMU that is just being started must not be left behind.
    if (this.#vm === null) await this.#booted.catch(() => {});
    const parts = { vm: this.#vm, slot: this.#slot };
    const returnedBytes = await tearDown(this, parts, this.#environment);
    this.#machine.move('STOPPED');
    this.#environment.onSandboxEnded(this.sandboxId);
    return returnedBytes;
  }

  #gone(): CzoneError {
    return new CzoneError('UNAVAILABLE', `${this.sandboxId} has ended or is ending`);
  }
}
