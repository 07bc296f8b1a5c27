// SPDX-License-Identifier: Apache-2.0
// The release of a kernel image, as its header tells (Documentation/arch/x86/boot.rst).
import fs from 'node:fs/promises';

const MAGIC_AT = 0x202;
const VERSION_AT = 0x20e;
const HEADER_BYTES = 0x8000;

/** Empty where the file is no bzImage. */
export async function kernelRelease(file: string): Promise<string> {
  const handle = await fs.open(file, 'r').catch(() => null);
  if (handle === null) return '';
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return bytesRead < HEADER_BYTES ? '' : parseKernelRelease(buffer);
  } finally {
    await handle.close();
  }
}

export function parseKernelRelease(header: Buffer): string {
  if (header.toString('latin1', MAGIC_AT, MAGIC_AT + 4) !== 'HdrS') return '';
  const at = header.readUInt16LE(VERSION_AT) + 0x200;
  const end = header.indexOf(0, at);
  if (end === -1 || end - at > 200) return '';
  return header.toString('latin1', at, end).split(' ')[0] ?? '';
}
