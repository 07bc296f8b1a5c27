// SPDX-License-Identifier: Apache-2.0
// Takes the place of `czone node start` for tests of the demo: the node API over a
// controller without VMs, whose containers are HTTP servers of this process.
//
// CZONE_FAKE: `wrong` answers requests wrong, `keep` leaves a file and loses bytes.
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type {
  ContainerExit,
  ContainerView,
  NodeMemory,
  PlaceRequest,
} from '../../src/host/controller-api.js';
import { serveNodeApi } from '../../src/node-api/server.js';
import type { ContainerId } from '../../src/protocol/ids.js';
import { MIB } from '../../src/protocol/units.js';
import { FakeController } from '../node-api/fake-controller.js';

const BASE_BYTES = 12 * MIB;
const mode = process.env['CZONE_FAKE'] ?? '';

interface Guest {
  readonly server: Server;
  heldBytes: number;
  /** Freed, but not taken back yet. */
  freedBytes: number;
}

class DemoController extends FakeController {
  readonly #guests = new Map<ContainerId, Guest>();

  override async place(request: PlaceRequest, signal: AbortSignal): Promise<ContainerView> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await super.place(request, signal);
    const placed = this.containers().at(-1);
    if (!placed) throw new Error('the fake placed nothing');
    const { containerId } = placed;
    const guest: Guest = { server, heldBytes: 0, freedBytes: 0 };
    this.#guests.set(containerId, guest);
    server.on('request', (incoming, response) => {
      const url = new URL(incoming.url ?? '/', 'http://fake');
      const mib = Number(url.searchParams.get('mib') ?? 0);
      if (url.pathname === '/_test/allocate') guest.heldBytes += mib * MIB;
      if (url.pathname === '/_test/free') {
        guest.freedBytes += guest.heldBytes;
        guest.heldBytes = 0;
      }
      if (guest.heldBytes > request.memoryBytes) {
        response.destroy();
        this.#end(containerId, { reason: 'OOM_KILLED', exitCode: 0, signal: 9 });
        return;
      }
      const value = mode === 'wrong' ? 'wrong' : request.functionId;
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ function: value }));
      if (url.pathname === '/_test/crash') {
        this.#end(containerId, { reason: 'SIGNALED', exitCode: 0, signal: 11 });
      }
    });
    const { port } = server.address() as AddressInfo;
    const mother = this.containers().find(
      ({ tenantId, functionId }) =>
        tenantId === request.tenantId && functionId === request.functionId,
    );
    const forked = request.startMode !== 'CRUN' && mother?.containerId !== containerId;
    return this.#put(containerId, {
      endpoint: `http://127.0.0.1:${port}`,
      zygoteId: forked ? (mother?.containerId ?? null) : null,
    });
  }

  override async stop(containerId: ContainerId): Promise<ContainerView> {
    return this.#end(containerId, { reason: 'STOPPED', exitCode: 0, signal: 0 });
  }

  override async reclaim(scope: { containerId: ContainerId } | { sandboxId: string } | null) {
    const containerId = scope && 'containerId' in scope ? scope.containerId : null;
    const view = this.containers().find((one) => one.containerId === containerId);
    const guest = containerId && this.#guests.get(containerId);
    if (!view || !guest) return { returnedBytes: 0, zones: [] };
    const returnedBytes = guest.freedBytes;
    guest.freedBytes = 0;
    const zone = {
      containerId: view.containerId,
      zoneId: view.zoneId,
      residentBeforeBytes: BASE_BYTES + guest.heldBytes + returnedBytes,
      returnedBytes,
      durationUs: 900,
      ranges: 1,
      sizeBytes: view.rangeBytes,
      shrunkBytes: 0,
      coldBytes: 0,
      swappedBytes: 0,
    };
    return { returnedBytes, zones: [zone] };
  }

  override memory(): NodeMemory {
    const sandboxes = super.memory(null).sandboxes.map((sandbox) => {
      const zones = sandbox.zones
        .filter(({ containerId }) => containerId !== null)
        .map((zone) => ({ ...zone, residentBytes: BASE_BYTES }));
      return {
        ...sandbox,
        zones,
        pluggedBytes: zones.reduce((sum, { rangeBytes }) => sum + rangeBytes, 0),
        zonesResidentBytes: zones.length * BASE_BYTES,
      };
    });
    return { ...super.memory(null), sandboxes };
  }

  override async close(): Promise<void> {
    for (const { server } of this.#guests.values()) server.close().closeAllConnections();
  }

  #end(containerId: ContainerId, exit: ContainerExit): ContainerView {
    const guest = this.#guests.get(containerId);
    guest?.server.close().closeAllConnections();
    const residentBytes = BASE_BYTES + (guest?.heldBytes ?? 0);
    return this.#put(containerId, {
      state: 'EXITED',
      exit,
      memoryReturn: {
        residentBytes,
        returnedBytes: mode === 'keep' ? residentBytes - 4096 : residentBytes,
        earlyBytes: 0,
        unplugUs: 5_000,
        guestUs: 700,
        complete: mode !== 'keep',
      },
    });
  }

  #put(containerId: ContainerId, change: Partial<ContainerView>): ContainerView {
    const views = this.containers() as ContainerView[];
    const at = views.findIndex((view) => view.containerId === containerId);
    const view = { ...views[at], ...change } as ContainerView;
    views[at] = view;
    return view;
  }
}

const runDir = process.argv[process.argv.indexOf('--run-dir') + 1] ?? '';
const controller = new DemoController();
const api = await serveNodeApi(controller, {
  socketPath: join(runDir, 'node.sock'),
  log: { error: (details) => console.error(details) },
});
if (mode === 'keep') writeFileSync(join(runDir, 'forgotten'), '');
process.once('SIGTERM', () => {
  void controller.close().then(() => api.close(0));
});
