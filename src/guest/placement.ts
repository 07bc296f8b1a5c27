// SPDX-License-Identifier: Apache-2.0
// Where the pages of a process lie: in its zone or elsewhere. Read from
// /proc/<pid>/{maps,pagemap,czone} and /proc/kpageflags (Documentation/
// admin-guide/mm/pagemap.rst in the kernel's tree).
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PAGE_BYTES } from '../protocol/units.js';

/** Pages of one kind, of 4 KiB. */
export interface PageCount {
  readonly inZone: number;
  readonly outside: number;
}

export interface ProcessPlacement {
  readonly pid: number;
  readonly name: string;
  /** What the kernel says of the task; 0: no zone. */
  readonly zoneId: number;
  /** Anonymous pages and private copies, without the zero page. */
  readonly anonymous: PageCount;
  /** Executable file mappings. */
  readonly text: PageCount;
  /** Other file and shared pages. */
  readonly file: PageCount;
  /** Page frames of text, ascending, at most FRAMES_MAX of them. */
  readonly textFrames: readonly number[];
  /** True when more pages were mapped than PAGES_MAX; the counts then are of the first ones. */
  readonly truncated: boolean;
}

interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly executable: boolean;
}

/** Pages that are looked at in one process at the most: 16 GiB of mappings. */
const PAGES_MAX = 4 * 1024 * 1024;
const FRAMES_MAX = 4096;
const ENTRY_BYTES = 8;
const CHUNK_PAGES = 8192;
const FLAGS_BLOCK = 512;
const FLAG_BLOCKS_MAX = 256;
const KPF_ZERO_PAGE = 1n << 24n;

const PRESENT = 1n << 63n;
const FILE_OR_SHARED = 1n << 61n;
const FRAME_MASK = (1n << 55n) - 1n;

/** Mappings that can hold pages: without those that nobody may touch and the kernel's own. */
export function parseMaps(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) ([rwxps-]{4}) \S+ \S+ \d+\s*(.*)$/.exec(line);
    if (!match) continue;
    const [, start = '', end = '', permissions = '', name = ''] = match;
    if (permissions.startsWith('---') || /^\[(vdso|vvar|vsyscall|vvar_vclock)\]$/.test(name))
      continue;
    mappings.push({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      executable: permissions[2] === 'x',
    });
  }
  return mappings;
}

/**
 * Reads where the pages of `pid` lie. `zone` is the zone's range, bytes.
 * Rejects with the file system's error when the process is gone.
 */
export async function readPlacement(
  procRoot: string,
  pid: number,
  zone: { readonly addr: number; readonly sizeBytes: number },
): Promise<ProcessPlacement> {
  const directory = join(procRoot, String(pid));
  const [maps, name, zoneText] = await Promise.all([
    readFile(join(directory, 'maps'), 'utf8'),
    readFile(join(directory, 'comm'), 'utf8'),
    readFile(join(directory, 'czone'), 'utf8'),
  ]);
  const counts = { anonymous: counter(), text: counter(), file: counter() };
  const firstFrame = zone.addr / PAGE_BYTES;
  const endFrame = (zone.addr + zone.sizeBytes) / PAGE_BYTES;
  const textFrames = new Set<number>();
  const blocks: FlagBlocks = new Map();
  let pages = 0;
  const flags = await open(join(procRoot, 'kpageflags'), 'r');
  const pagemap = await open(join(directory, 'pagemap'), 'r');
  try {
    for (const mapping of parseMaps(maps)) {
      for await (const entry of entries(pagemap, mapping)) {
        if (++pages > PAGES_MAX) break;
        if ((entry & PRESENT) === 0n) continue;
        const frame = Number(entry & FRAME_MASK);
        const inZone = frame >= firstFrame && frame < endFrame;
        if ((entry & FILE_OR_SHARED) !== 0n) {
          const kind = mapping.executable ? counts.text : counts.file;
          kind[inZone ? 'inZone' : 'outside']++;
          if (mapping.executable) textFrames.add(frame);
        } else if (inZone || !(await isZeroPage(flags, frame, blocks))) {
          counts.anonymous[inZone ? 'inZone' : 'outside']++;
        }
      }
    }
  } finally {
    await pagemap.close();
    await flags.close();
  }
  return {
    pid,
    name: name.trim(),
    zoneId: Number.parseInt(zoneText, 10),
    ...counts,
    textFrames: [...textFrames].sort((a, b) => a - b).slice(0, FRAMES_MAX),
    truncated: pages > PAGES_MAX,
  };
}

function counter(): { inZone: number; outside: number } {
  return { inZone: 0, outside: 0 };
}

async function* entries(pagemap: FileHandle, mapping: Mapping): AsyncGenerator<bigint> {
  const buffer = Buffer.alloc(CHUNK_PAGES * ENTRY_BYTES);
  const end = mapping.end / PAGE_BYTES;
  for (let page = mapping.start / PAGE_BYTES; page < end; page += CHUNK_PAGES) {
    const wanted = Math.min(CHUNK_PAGES, end - page) * ENTRY_BYTES;
    const { bytesRead } = await pagemap.read(buffer, 0, wanted, page * ENTRY_BYTES);
    for (let at = 0; at + ENTRY_BYTES <= bytesRead; at += ENTRY_BYTES)
      yield buffer.readBigUInt64LE(at);
    if (bytesRead < wanted) return;
  }
}

/** Flags of FLAGS_BLOCK page frames each, by the number of the block; the newest last. */
type FlagBlocks = Map<number, Buffer>;

/** A container that was forked has thousands of pages elsewhere, mostly side by side. */
async function isZeroPage(flags: FileHandle, frame: number, blocks: FlagBlocks): Promise<boolean> {
  const number = Math.floor(frame / FLAGS_BLOCK);
  const block = blocks.get(number) ?? (await readFlags(flags, number, blocks));
  const at = (frame - number * FLAGS_BLOCK) * ENTRY_BYTES;
  return at < block.length && (block.readBigUInt64LE(at) & KPF_ZERO_PAGE) !== 0n;
}

async function readFlags(flags: FileHandle, number: number, blocks: FlagBlocks): Promise<Buffer> {
  const bytes = FLAGS_BLOCK * ENTRY_BYTES;
  const { buffer, bytesRead } = await flags.read(Buffer.alloc(bytes), 0, bytes, number * bytes);
  const block = buffer.subarray(0, bytesRead - (bytesRead % ENTRY_BYTES));
  const [oldest] = blocks.keys();
  if (blocks.size >= FLAG_BLOCKS_MAX && oldest !== undefined) blocks.delete(oldest);
  blocks.set(number, block);
  return block;
}
