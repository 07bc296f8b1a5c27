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
export const GATEWAY = '10.0.2.2';

declare const pooled: unique symbol;
/** A namespace that was made ahead: `n-` and 12 hex digits. */
export type PooledNamespace = string & { readonly [pooled]: true };
/** A container's own, by its id, or one that was made ahead. */
export type NamespaceName = ContainerId | PooledNamespace;

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

  /** The path by which a namespace is joined. */
  namespacePath(name: NamespaceName): string {
    return join(this.#namespaces, name);
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

  /** All but the address, which whoever takes one gives to its eth0. */
  async prepare(names: readonly PooledNamespace[]): Promise<void> {
    const lines = names.flatMap((name) => [
      `netns add ${name}`,
      `link add ${hostSide(name)} type veth peer name eth0 netns ${name}`,
      `link set ${hostSide(name)} master ${BRIDGE} up`,
    ]);
    await this.#batch([], lines);
    for (const name of names)
      await this.#batch(['-n', name], ['link set lo up', 'link set eth0 up']);
  }

  /** Takes away what there is of it. */
  async remove(name: NamespaceName): Promise<void> {
    const lines: string[] = [];
    if (existsSync(join(this.#sysRoot, 'class/net', hostSide(name))))
      lines.push(`link del ${hostSide(name)}`);
    if (existsSync(this.namespacePath(name))) lines.push(`netns del ${name}`);
    if (lines.length > 0) await this.#batch(['-force'], lines);
  }

  /** Those that were made here. */
  async list(): Promise<NamespaceName[]> {
    const names = await readdir(this.#namespaces).catch(() => []);
    return names.map(parseNamespaceName).filter((name) => name !== null);
  }

  async #batch(options: readonly string[], lines: readonly string[]): Promise<void> {
    await this.#run('ip', [...options, '-batch', '-'], `${lines.join('\n')}\n`);
  }
}

export function parseNamespaceName(text: string): NamespaceName | null {
  if (/^n-[0-9a-f]{12}$/.test(text)) return text as PooledNamespace;
  return parseContainerId(text);
}

/** Interface names have 15 characters at most. */
function hostSide(name: NamespaceName): string {
  return `v${name.slice('c-'.length)}`;
}
