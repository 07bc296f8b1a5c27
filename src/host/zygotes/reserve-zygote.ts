// SPDX-License-Identifier: Apache-2.0
// Takes room for a zygote in the VM of the container that it is made for. In one go,
// without waiting in between, so that nobody else takes the same room.
import type { SandboxId } from '../../protocol/ids.js';
import { Container } from '../containers/container.js';
import type { PreparedImage } from '../images/image-store.js';
import type { Room } from '../ledger/budget.js';
import type { Ledger } from '../ledger/ledger.js';
import { firstZoneBytes, zoneBytesFor } from '../ledger/zone-size.js';
import type { ContainerLogs } from '../logs/container-logs.js';
import { newContainerId } from '../placement/container-id.js';
import type { Disks } from '../vm/disks.js';

/** What it needs of a VM. */
export interface ZygoteHome {
  readonly sandboxId: SandboxId;
  readonly ledger: Ledger;
  readonly disks: Disks;
  readonly logs: ContainerLogs;
}

export interface ZygoteRoom {
  readonly sandbox: ZygoteHome;
  readonly like: Container;
  readonly image: PreparedImage;
  readonly room: Room;
  /** What it can use before its zone grows. */
  readonly firstBytes: number;
}

/** null: there is no room. */
export function reserveZygote({
  sandbox,
  like,
  image,
  room,
  firstBytes,
}: ZygoteRoom): Container | null {
  const { facts } = like;
  const zoneBytes = zoneBytesFor(facts.memoryBytes);
  const sizeBytes = firstZoneBytes(zoneBytes, firstBytes);
  if (zoneBytes > room.promisableBytes || sizeBytes > room.spareBytes) return null;
  if (!sandbox.disks.claim(image.disk.digest)) return null;
  const containerId = newContainerId();
  const zone = sandbox.ledger.reserve(zoneBytes, containerId, sizeBytes);
  if (zone === null) return null;
  sandbox.logs.open(containerId);
  return new Container({
    containerId,
    sandboxId: sandbox.sandboxId,
    tenantId: facts.tenantId,
    functionId: facts.functionId,
    imageDigest: facts.imageDigest,
    zone,
    zoneNow: () => sandbox.ledger.zone(zone.zoneId),
    address: '',
    memoryBytes: facts.memoryBytes,
    role: 'ZYGOTE',
    cold: false,
    placementReason: `zygote of ${facts.functionId}`,
    labels: [],
    createdAt: new Date(),
  });
}
