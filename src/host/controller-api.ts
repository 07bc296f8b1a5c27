// SPDX-License-Identifier: Apache-2.0
// What the node API asks of the controller. Domain types; no gRPC here.
import type { ContainerId, FunctionId, SandboxId, TenantId, ZoneId } from '../protocol/ids.js';

export interface Label {
  readonly key: string;
  readonly value: string;
}

export interface PlaceRequest {
  /** Empty: not repeatable. */
  readonly requestId: string;
  readonly tenantId: TenantId;
  readonly functionId: FunctionId;
  /** Path of an OCI layout; null: the catalogue's image of the function. */
  readonly image: string | null;
  /** null: the image's own. */
  readonly command: readonly string[] | null;
  readonly environment: readonly (readonly [name: string, value: string])[];
  readonly memoryBytes: number;
  /** 0: no limit. */
  readonly cpuMillis: number;
  readonly labels: readonly Label[];
  /** 0: the default. */
  readonly readyTimeoutMs: number;
  /** What it can use before its zone grows; 0: the node's default. */
  readonly initialMemoryBytes: number;
  readonly startMode: StartMode;
}

/** AUTO: by the function's zygote where there is one. */
export type StartMode = 'AUTO' | 'CRUN' | 'ZYGOTE';
/** COLD and WARM_SANDBOX: by crun, in a VM booted for it or one that ran. */
export type StartKind = 'COLD' | 'WARM_SANDBOX' | 'ZYGOTE';

export type ContainerState = 'STARTING' | 'RUNNING' | 'PAUSED' | 'STOPPING' | 'EXITED';
export type ExitReason =
  | 'EXITED'
  | 'SIGNALED'
  | 'OOM_KILLED'
  | 'STOPPED'
  | 'UNKNOWN'
  | 'SANDBOX_LOST';
/** zygote: one had to be made first, because a start by it was asked for. */
export type StageName =
  | 'vm'
  | 'zygote'
  | 'image'
  | 'plug'
  | 'network'
  | 'cgroup'
  | 'spawn'
  | 'create'
  | 'ready';

export interface Stage {
  readonly name: StageName;
  readonly durationUs: number;
}

export interface ContainerExit {
  readonly reason: ExitReason;
  readonly exitCode: number;
  /** 0: none. */
  readonly signal: number;
}

export interface MemoryReturn {
  readonly residentBytes: number;
  readonly returnedBytes: number;
  readonly earlyBytes: number;
  readonly unplugUs: number;
  readonly guestUs: number;
  readonly complete: boolean;
}

export interface ContainerView {
  readonly containerId: ContainerId;
  readonly sandboxId: SandboxId;
  readonly tenantId: TenantId;
  readonly functionId: FunctionId;
  readonly imageDigest: string;
  readonly zoneId: ZoneId;
  readonly rangeStart: number;
  readonly rangeBytes: number;
  /** What the zone may grow to. */
  readonly limitBytes: number;
  readonly memoryBytes: number;
  readonly state: ContainerState;
  readonly endpoint: string;
  readonly startKind: StartKind;
  /** Why it was started this way. */
  readonly startReason: string;
  /** Whose memory it shares; null: nobody's. */
  readonly zygoteId: ContainerId | null;
  readonly placementReason: string;
  readonly stages: readonly Stage[];
  readonly labels: readonly Label[];
  readonly createdAt: Date;
  readonly exit: ContainerExit | null;
  readonly memoryReturn: MemoryReturn | null;
  readonly guestPid: number;
  /** What the guest took to plug the zone. */
  readonly plugGuestUs: number;
}

/** Pages of 4 KiB. */
export interface PageCount {
  readonly inZone: number;
  readonly outside: number;
}

/** Where the pages of one process of a container lie. */
export interface ProcessPlacement {
  readonly pid: number;
  readonly name: string;
  /** 0: it lives in no zone. */
  readonly zoneId: number;
  readonly anonymous: PageCount;
  readonly text: PageCount;
  readonly file: PageCount;
  readonly textFrames: readonly number[];
}

export type SandboxState = 'BOOTING' | 'READY' | 'RECOVERING' | 'STOPPING' | 'FAILED';

export type ZygoteState = 'STARTING' | 'READY' | 'DRAINING';

/** A container that is only forked (zygotes/zygotes.ts). */
export interface ZygoteView {
  readonly zygoteId: ContainerId;
  readonly functionId: FunctionId;
  readonly imageDigest: string;
  readonly state: ZygoteState;
  readonly zoneId: ZoneId;
  /** Of its zone: what its children share is counted here and nowhere else. */
  readonly residentBytes: number;
  /** Those that live, and all that were ever forked. */
  readonly children: number;
  readonly forks: number;
  readonly runtime: string;
  /** Why it drains; else empty. */
  readonly reason: string;
  readonly createdAt: Date;
}

export interface SandboxView {
  readonly sandboxId: SandboxId;
  readonly tenantId: TenantId;
  readonly state: SandboxState;
  readonly vmmPid: number;
  readonly accelerator: 'kvm' | 'tcg';
  readonly bootMemoryBytes: number;
  readonly regionBytes: number;
  readonly pluggedBytes: number;
  /** What its zones may grow to. */
  readonly limitBytes: number;
  readonly containerCount: number;
  readonly createdAt: Date;
  /** Zones of ended containers that pages in use keep. */
  readonly zombies: readonly ZoneMemory[];
  readonly zygotes: readonly ZygoteView[];
}

export type ZoneState = 'reserved' | 'plugging' | 'plugged' | 'unplugging' | 'stuck' | 'zombie';

/** Why pages of an ended container's zone are still in use, as the guest tells. */
export type PinReason = 'unknown' | 'reference' | 'longterm' | 'mapped' | 'cache' | 'shared';

export interface ZonePin {
  readonly start: number;
  readonly sizeBytes: number;
  readonly reason: PinReason;
  /** Of its first page, as the guest counts them. */
  readonly references: number;
}

export interface ZoneMemory {
  readonly zoneId: ZoneId;
  readonly rangeStart: number;
  /** What it has. */
  readonly rangeBytes: number;
  /** What it may grow to. */
  readonly limitBytes: number;
  readonly state: ZoneState;
  readonly containerId: ContainerId | null;
  readonly residentBytes: number;
  /** Of a zombie; else 0 and none. */
  readonly inUseBytes: number;
  readonly pins: readonly ZonePin[];
}

export interface SandboxMemory {
  readonly sandboxId: SandboxId;
  readonly tenantId: TenantId;
  readonly regionStart: number;
  readonly regionBytes: number;
  readonly pluggedBytes: number;
  readonly limitBytes: number;
  readonly residentBytes: number;
  readonly bootResidentBytes: number;
  readonly zonesResidentBytes: number;
  readonly strayBytes: number;
  readonly vmmBytes: number;
  readonly zones: readonly ZoneMemory[];
}

export interface NodeMemory {
  readonly residentBytes: number;
  readonly pluggedBytes: number;
  readonly budgetBytes: number;
  /** Limits that new containers can still be promised. */
  readonly freeBudgetBytes: number;
  /** Of the budget, what zones can still grow by. */
  readonly spareBytes: number;
  readonly sandboxes: readonly SandboxMemory[];
}

export interface ReclaimedZone {
  readonly containerId: ContainerId;
  readonly zoneId: ZoneId;
  readonly residentBeforeBytes: number;
  readonly returnedBytes: number;
  readonly durationUs: number;
  readonly ranges: number;
  /** What the zone has now, and how much of it was let go. */
  readonly sizeBytes: number;
  readonly shrunkBytes: number;
  /** Asked for cold memory: what the guest took from the container; else 0. */
  readonly coldBytes: number;
  /** Of it, what went to the guest's swap. */
  readonly swappedBytes: number;
}

export interface ReclaimOptions {
  /** Take so much of each container's cold memory first; 0: none. */
  readonly coldBytes: number;
}

export interface NodeInfo {
  readonly version: string;
  readonly nodeId: string;
  readonly pid: number;
  readonly startedAt: Date;
  readonly accelerator: 'kvm' | 'tcg';
  readonly acceleratorReason: string;
  readonly vmmVersion: string;
  readonly guestKernel: string;
  readonly sandboxCount: number;
  readonly containerCount: number;
  readonly maxSandboxes: number;
  readonly budgetBytes: number;
  readonly sandboxRegionBytes: number;
  readonly sandboxBootMemoryBytes: number;
  readonly functions: readonly {
    readonly functionId: FunctionId;
    readonly description: string;
    readonly defaultMemoryBytes: number;
  }[];
}

export interface LogReader {
  /** Chunks, oldest first; ends with the container when `follow`, else at the end of what is kept. */
  read(
    containerId: ContainerId,
    options: { follow: boolean; tailBytes: number; signal: AbortSignal },
  ): AsyncIterable<Uint8Array>;
}

/**
 * The node's controller. Every method rejects with a CzoneError.
 * `place`, `stop`, `pause`, `resume` may run side by side; calls for one container
 * are carried out one after another.
 */
export interface Controller extends LogReader {
  place(request: PlaceRequest, signal: AbortSignal): Promise<ContainerView>;
  stop(containerId: ContainerId, graceMs: number): Promise<ContainerView>;
  pause(containerId: ContainerId): Promise<ContainerView>;
  resume(containerId: ContainerId): Promise<ContainerView>;
  /** Asks the guest where the pages of the container's processes lie. */
  inspect(containerId: ContainerId): Promise<readonly ProcessPlacement[]>;
  containers(): readonly ContainerView[];
  sandboxes(): readonly SandboxView[];
  deleteSandbox(sandboxId: SandboxId): Promise<{ returnedBytes: number }>;
  reclaim(
    scope: { containerId: ContainerId } | { sandboxId: SandboxId } | null,
    options: ReclaimOptions,
  ): Promise<{ returnedBytes: number; zones: readonly ReclaimedZone[] }>;
  memory(sandboxId: SandboxId | null): NodeMemory;
  info(): NodeInfo;
  /** Ends every VM and removes every file of the node. Idempotent. */
  close(): Promise<void>;
}
