// SPDX-License-Identifier: Apache-2.0
// Identifiers, branded so that a zone id can't be passed for a sandbox id.

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** One VM: `vm-` and 8 hex digits. */
export type SandboxId = Branded<string, 'SandboxId'>;
/** One container: `c-` and 12 hex digits. Never used again on a node. */
export type ContainerId = Branded<string, 'ContainerId'>;
/** A trust domain: 1 to 63 of [a-z0-9-], not beginning or ending with a dash. */
export type TenantId = Branded<string, 'TenantId'>;
/** A function of the catalogue; same alphabet as a tenant. */
export type FunctionId = Branded<string, 'FunctionId'>;
/** A zone of one VM: 1 to 4095 (linux/virtio_czone.h). */
export type ZoneId = Branded<number, 'ZoneId'>;

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const SANDBOX = /^vm-[0-9a-f]{8}$/;
const CONTAINER = /^c-[0-9a-f]{12}$/;

/** The largest zone id that the device knows. */
export const ZONE_ID_MAX = 4095;

export function parseSandboxId(text: string): SandboxId | null {
  return SANDBOX.test(text) ? (text as SandboxId) : null;
}

export function parseContainerId(text: string): ContainerId | null {
  return CONTAINER.test(text) ? (text as ContainerId) : null;
}

export function parseTenantId(text: string): TenantId | null {
  return NAME.test(text) ? (text as TenantId) : null;
}

export function parseFunctionId(text: string): FunctionId | null {
  return NAME.test(text) ? (text as FunctionId) : null;
}

export function parseZoneId(value: number): ZoneId | null {
  return Number.isInteger(value) && value >= 1 && value <= ZONE_ID_MAX ? (value as ZoneId) : null;
}
