// SPDX-License-Identifier: Apache-2.0
// The guest daemon: wiring only.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { garbageCollector } from '../protocol/heap.js';
import { serveAgent } from './agent-server.js';
import { Bundles } from './bundle.js';
import { Cgroup, Cgroups } from './cgroup.js';
import { Containers } from './containers.js';
import { Events } from './events.js';
import { readGuestInfo } from './guest-info.js';
import { Images } from './images.js';
import type { GuestAddon } from './native.js';
import { Network } from './network.js';
import { NetworkPool } from './network-pool.js';
import { findPort, PortStream } from './port.js';
import { IdleReclaim } from './reclaim.js';
import { SandboxMaker } from './sandbox-maker.js';

/** Put in by src/build/bundle-daemon.ts. */
declare const CZONE_VERSION: string;

const STATE_DIRECTORY = '/run/czone';
const CGROUP_ROOT = '/sys/fs/cgroup';
const SANDBOX_MAKER = '/usr/lib/czone/czone-sandbox';
const PORT_NAME = 'czone.agent';
/** Few, for each takes memory of the guest's kernel. */
const NAMESPACES_AHEAD = 4;

function complain(message: string): void {
  console.error(`czone-daemon: ${message}`);
}

/**
 * Without exit(), which would wait for the thread that is reading the port. The first
 * process starts the daemon anew, and the containers live on meanwhile.
 */
function die(error: unknown): never {
  complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.kill(process.pid, 'SIGKILL');
  throw error;
}

function loadAddon(): GuestAddon {
  const addon = { exports: {} };
  process.dlopen(addon, join(dirname(process.argv[1] ?? ''), 'czone_guest.node'));
  return addon.exports as GuestAddon;
}

/** `channel` becomes its descriptor 3. That it does not start ends the channel, too. */
function startSandboxMaker(channel: number): void {
  const stdio = ['ignore', 'inherit', 'inherit', channel] as const;
  const child = spawn(SANDBOX_MAKER, [], { stdio: [...stdio], env: {}, detached: true });
  child.on('error', (error) => complain(`${SANDBOX_MAKER}: ${error.message}`));
}

async function main(): Promise<void> {
  const addon = loadAddon();
  addon.becomeSubreaper();
  const directory = (name: string) => join(STATE_DIRECTORY, name);
  for (const name of ['containers', 'images', 'crun', 'exits']) {
    await mkdir(directory(name), { recursive: true, mode: 0o700 });
  }
  const network = new Network();
  await network.setUp();
  const events = new Events();
  const containers = new Containers({
    addon,
    network,
    networkPool: new NetworkPool(network, NAMESPACES_AHEAD, complain),
    sandboxMaker: new SandboxMaker({ addon, start: startSandboxMaker, complain }),
    events,
    cgroups: new Cgroups(join(CGROUP_ROOT, 'czone')),
    images: new Images({ sys: '/sys', proc: '/proc', dev: '/dev', mounts: directory('images') }),
    bundles: new Bundles(directory('containers'), (path) => addon.makeFifo(path)),
    procRoot: '/proc',
    crunStateRoot: directory('crun'),
    exitsDirectory: directory('exits'),
    complain,
  });
  await containers.adopt();
  const identity = { version: CZONE_VERSION, instanceId: randomUUID() };
  const reclaim = new IdleReclaim({
    cgroup: new Cgroup(join(CGROUP_ROOT, 'system')),
    namesPath: '/proc/sys/vm/drop_caches',
    trimHeap: () => addon.trimHeap(),
    readNoneAround: () => {
      const errno = addon.readNoneAround();
      if (errno !== 0) complain(`its program is read ahead still (errno ${errno})`);
    },
    collect: garbageCollector(),
  });
  const port = await PortStream.open(await findPort('/sys', '/dev', PORT_NAME));
  port.on('close', () => die(new Error(`The port ${PORT_NAME} was closed.`)));
  port.on('error', die);
  serveAgent(port, {
    runtime: containers,
    events,
    getInfo: () => readGuestInfo('/proc', identity),
    onAnswered: () => reclaim.answered(),
  });
}

process.on('uncaughtException', die);
process.on('unhandledRejection', die);
main().catch(die);
