// SPDX-License-Identifier: Apache-2.0
// The sandbox's bridge, and of each container a network namespace that hangs on it
// by a pair of virtual interfaces.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, parseContainerId } from '../protocol/ids.js';
import { runCommand } from './run-command.js';

const BRIDGE = 'czbr0';
const UPLINK = 'eth0';
/** QEMU's user network: the guest, and the host as its gateway. */
const GUEST_ADDRESS = '10.0.2.15/24';
const GATEWAY = '10.0.2.2';

type Run = (name: string, args: readonly string[], input?: string) => Promise<string>;

export class Network {
  readonly #sysRoot: string;
  readonly #run: Run;
  readonly #namespaces: string;

  /** `namespaces`: where `ip netns` keeps them. */
  constructor(sysRoot = '/sys', run: Run = runCommand, namespaces = '/run/netns') {
    this.#sysRoot = sysRoot;
    this.#run = run;
    this.#namespaces = namespaces;
  }

  /** Makes the bridge, unless an earlier daemon has. */
  async setUp(): Promise<void> {
    const interfaces = join(this.#sysRoot, 'class/net');
    if (existsSync(join(interfaces, BRIDGE))) return;
    const mac = (await readFile(join(interfaces, UPLINK, 'address'), 'utf8')).trim();
    await this.#batch(
      [],
      [
        // With the uplink's hardware address, which else changes as containers come and go.
        `link add ${BRIDGE} address ${mac} type bridge`,
        `link set ${UPLINK} master ${BRIDGE}`,
        `link set ${UPLINK} up`,
        `addr add ${GUEST_ADDRESS} dev ${BRIDGE}`,
        `link set ${BRIDGE} up`,
        `route add default via ${GATEWAY}`,
      ],
    );
  }

  /** The path by which a container's namespace is joined. */
  namespacePath(id: ContainerId): string {
    return join(this.#namespaces, id);
  }

  async add(id: ContainerId, address: string): Promise<void> {
    await this.#batch(
      [],
      [
        `netns add ${id}`,
        `link add ${hostSide(id)} type veth peer name eth0 netns ${id}`,
        `link set ${hostSide(id)} master ${BRIDGE} up`,
      ],
    );
    await this.#batch(
      ['-n', id],
      [
        'link set lo up',
        `addr add ${address}/24 dev eth0`,
        'link set eth0 up',
        `route add default via ${GATEWAY}`,
      ],
    );
  }

  /** Takes away what there is of it. */
  async remove(id: ContainerId): Promise<void> {
    const lines: string[] = [];
    if (existsSync(join(this.#sysRoot, 'class/net', hostSide(id))))
      lines.push(`link del ${hostSide(id)}`);
    if (existsSync(this.namespacePath(id))) lines.push(`netns del ${id}`);
    if (lines.length > 0) await this.#batch(['-force'], lines);
  }

  /** Containers that have a namespace. */
  async list(): Promise<ContainerId[]> {
    const names = await readdir(this.#namespaces).catch(() => []);
    return names.map(parseContainerId).filter((id) => id !== null);
  }

  async #batch(options: readonly string[], lines: readonly string[]): Promise<void> {
    await this.#run('ip', [...options, '-batch', '-'], `${lines.join('\n')}\n`);
  }
}

/** Interface names have 15 characters at most. */
function hostSide(id: ContainerId): string {
  return `v${id.slice('c-'.length)}`;
}
