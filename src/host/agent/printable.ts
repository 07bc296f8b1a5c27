// SPDX-License-Identifier: Apache-2.0
// Text of a guest, fit for a terminal of the host: no control characters, bounded.

export function printable(text: string, maxLength: number): string {
  return text
    .slice(0, maxLength * 2)
    .replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .slice(0, maxLength);
}
