// SPDX-License-Identifier: Apache-2.0
// What the guest says of pages that keep a zone. Pure.
import type { PinReason, ZonePin } from '../controller-api.js';
import type { GuestPin } from '../device/native.js';

/** VIRTIO_CZONE_PIN_*, in their order. */
const REASONS: readonly PinReason[] = [
  'unknown',
  'reference',
  'longterm',
  'mapped',
  'cache',
  'shared',
];

export function readPins(pins: readonly GuestPin[]): readonly ZonePin[] {
  return pins.map((pin) => ({
    start: pin.addr,
    sizeBytes: pin.sizeBytes,
    reason: REASONS[pin.reason] ?? 'unknown',
    references: pin.references,
  }));
}
