// SPDX-License-Identifier: Apache-2.0
// Every limit and time-out of the controller. What leaves the process (a guest, a
// VMM, a file) is bounded here.
import { KIB, MIB } from '../protocol/units.js';

export const LIMITS = {
  /** Zone ids that lie fallow after use, so that a late message names no new zone. */
  fallowZoneIds: 64,
  /** The least that a container can be given. */
  minContainerBytes: 8 * MIB,

  /** Image slots of a VM (pcie-root-ports); one more carries the czone device. */
  imageSlots: 15,
  /** Containers of a VM: one address of the bridge each. */
  containersPerSandbox: 200,
  firstGuestAddress: 30,

  /** Ended containers that are remembered. */
  exitedContainers: 1000,
  /** Ended containers whose log is kept. */
  exitedLogs: 200,
  /** Results that are remembered by request_id. */
  rememberedRequests: 4096,
  rememberedRequestMs: 60 * 60_000,

  /** One log file of a container; two are kept. */
  logFileBytes: 256 * KIB,

  /** One line of QMP. */
  qmpLineBytes: 1 * MIB,
  qmpConnectMs: 20_000,
  qmpCommandMs: 30_000,
  /** From device_del to DEVICE_DELETED: needs the guest's help. */
  deviceDeletedMs: 20_000,
  /** From device_add to the driver's having started the queues. */
  deviceReadyMs: 60_000,
  /** The console of a VM is cut when it grows beyond this. */
  consoleBytes: 4 * MIB,

  /** From the start of QEMU to the daemon's first answer, under emulation. */
  bootMs: 180_000,
  /** How long a lost guest daemon may stay away before its VM is given up. */
  agentAwayMs: 90_000,
  /** A short call to the daemon. */
  agentCallMs: 30_000,
  /** What the daemon needs beside the grace and the ready time-out. */
  agentSlackMs: 30_000,
  /** So often a daemon is asked for a sign of life, and so long it may take. */
  agentPingMs: 30_000,
  /** Taking cold memory from one container, to swap perhaps. */
  coldReclaimMs: 120_000,
  /** Largest answer of a daemon. */
  agentMessageBytes: 4 * MIB,
  reconnectFirstMs: 100,
  reconnectMaxMs: 2_000,

  /** PLUG, RESIZE, UNPLUG, REPORT and LIST of the device. */
  plugMs: 30_000,
  resizeMs: 60_000,
  unplugMs: 60_000,
  reportMs: 60_000,
  listMs: 15_000,
  /** A busy zone is tried again so long before the caller gets an answer ... */
  unplugPatienceMs: 8_000,
  /** ... and then in the background, with these pauses. */
  stuckRetryFirstMs: 1_000,
  stuckRetryMaxMs: 60_000,
  /** So long pages that hold an ended zone may take to go before it is called a zombie. */
  zombiePatienceMs: 500,
  /** A zombie's pages were released: tried again, but not more often than so. */
  releasedRetryMs: 100,

  /** Growth that a zone, and all zones of a VM, may ask for: at once, and then by the second. */
  zoneGrowthBurst: 16,
  zoneGrowthPerSecond: 8,
  sandboxGrowthBurst: 64,
  sandboxGrowthPerSecond: 32,

  /** From `quit` to SIGKILL for QEMU. */
  vmmQuitMs: 3_000,
  /** From SIGKILL to its being gone. */
  vmmKillMs: 10_000,
  probeMs: 5_000,

  /** From SIGTERM to SIGKILL for a container, where the caller names no grace. */
  defaultGraceMs: 2_000,

  /** Blobs, files and bytes of one image. */
  imageManifestBytes: 4 * MIB,
  imageLayers: 128,
  imageBytes: 8 * 1024 * MIB,
  flattenMs: 10 * 60_000,
  /** A flattened image that nobody used for so long is removed. */
  imageUnusedMs: 30 * 24 * 60 * 60_000,
  /** That one was used is noted no more often. */
  imageUsedNoteMs: 60 * 60_000,
  /** Images whose layouts need not be read again while their files are unchanged. */
  imagesRemembered: 1000,
} as const;
