// SPDX-License-Identifier: Apache-2.0
// The whole boundary between the guest daemon and native code: what the addon
// czone_guest.node exports.

/** What the child does between clone3 and exec; all of it async-signal-safe. */
export interface SpawnOptions {
  /** From openZone. */
  readonly zoneFd: number;
  /** Directory descriptor of the container's cgroup. */
  readonly cgroupFd: number;
  /** Absolute path and arguments of what is executed (crun); argv[0] included. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** Becomes descriptors 1 and 2; 0 is /dev/null. */
  readonly stdoutFd: number;
  readonly stderrFd: number;
  /** Become the descriptors from 3 on; at most 4. */
  readonly passedFds: readonly number[];
  /**
   * Carried out in a mount namespace of the child's own, in this order: a tmpfs of
   * `sizeBytes` at `scratch`, directories upper and work in it, an overlay of
   * `lower` and these at `root`. null: no mounts.
   */
  readonly overlay: {
    readonly lower: string;
    readonly scratch: string;
    readonly root: string;
    readonly sizeBytes: number;
  } | null;
}

export interface Spawned {
  readonly pid: number;
  readonly pidfd: number;
}

export interface WaitResult {
  /** null: it was not our child, the status is not known. */
  readonly exitCode: number | null;
  readonly signal: number | null;
}

export interface ZoneInfo {
  readonly zoneId: number;
  readonly state: number;
  readonly addr: number;
  readonly sizeBytes: number;
  /** What it may grow to: addresses that are its own. */
  readonly limitBytes: number;
  readonly usableBytes: number;
  readonly freeBytes: number;
  readonly users: number;
}

export interface PortWait {
  /** False: it was stopped before. */
  readonly answered: Promise<boolean>;
  stop(): void;
}

export interface GuestAddon {
  /** Throws an Error with `code` (ENOENT, EBUSY, EPERM ...) and a message that names the zone. */
  openZone(zoneId: number): number;
  zoneInfo(zoneFd: number): ZoneInfo;
  closeFd(fd: number): void;
  /**
   * Forks into zone and cgroup and executes. Throws with `code` and `step` (clone3,
   * unshare, mount-scratch, mount-overlay, stdio, exec) when the child failed before exec.
   */
  spawnInZone(options: SpawnOptions): Spawned;
  /** A pidfd, or throws ESRCH. */
  pidfdOpen(pid: number): number;
  /** Fulfilled when the process has ended; reaps it when it is our child. Closes the pidfd. */
  waitPidfd(pidfd: number): Promise<WaitResult>;
  /** Asks an IPv4 address and port until it takes connections, or until stop(). */
  waitPort(address: string, port: number): PortWait;
  /** Two ends of a channel to a zygote or to the sandbox maker: whole messages, descriptors with them. */
  makeChannel(): [number, number];
  /** An end of a channel that another process holds. EPROTOTYPE: it is none. */
  takeChannel(pidfd: number, fd: number): number;
  /** Never waits; EAGAIN when the other end does not read, EPIPE when it is closed. */
  sendMessage(fd: number, message: Buffer, descriptors: readonly number[]): void;
  /** The next message; null: the other end is closed. One call at a time. */
  receiveMessage(fd: number): Promise<Buffer | null>;
  /** A call of receiveMessage() that waits comes to its end. */
  shutDown(fd: number): void;
  /** mkfifo(3), for its owner only. */
  makeFifo(path: string): void;
  /** PR_SET_CHILD_SUBREAPER for this process. */
  becomeSubreaper(): void;
  /** malloc_trim(3): free pages of the C heap go back to the kernel. */
  trimHeap(): void;
  /**
   * A page of this process's program that is missing is read without those around it, from
   * now on (MADV_RANDOM). Returns 0 or an errno.
   */
  readNoneAround(): number;
}
