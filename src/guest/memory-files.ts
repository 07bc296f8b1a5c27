// SPDX-License-Identifier: Apache-2.0
// Files that no disk is behind: tmpfs, /proc, cgroups. Reading or writing one costs less
// than handing it to a thread and being told, of which a container's start has dozens.
// As in node:fs/promises otherwise. Not for writes that the kernel takes its time for.
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

export interface OpenFile {
  readonly fd: number;
  close(): Promise<void>;
}

export async function open(path: string, flags: string): Promise<OpenFile> {
  const fd = openSync(path, flags);
  return { fd, close: async () => closeSync(fd) };
}

export async function mkdir(path: string, options?: { readonly mode: number }): Promise<void> {
  mkdirSync(path, options);
}

export async function readFile(path: string, encoding: 'utf8'): Promise<string> {
  return readFileSync(path, encoding);
}

export async function writeFile(
  path: string,
  text: string,
  options?: { readonly flag: string },
): Promise<void> {
  writeFileSync(path, text, options);
}

export async function rename(from: string, to: string): Promise<void> {
  renameSync(from, to);
}
