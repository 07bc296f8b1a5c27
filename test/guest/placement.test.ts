// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readPlacement } from '../../src/guest/placement.js';

const PRESENT = 1n << 63n;
const FILE_OR_SHARED = 1n << 61n;
const ZERO_PAGE = 1n << 24n;
const ZONE = { addr: 0x1_0000_0000, sizeBytes: 16 * 4096 };
const ZONE_FRAME = ZONE.addr / 4096;

/** A /proc of one process, 7, with these pages from address 0x400000 on, and flags of frames. */
async function proc(
  t: Test,
  options: { maps: string; pages: bigint[]; flags?: Record<number, bigint> },
): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'czone-proc-'));
  t.teardown(() => rm(root, { recursive: true }));
  const directory = join(root, '7');
  await mkdir(directory);
  await writeFile(join(directory, 'maps'), options.maps);
  await writeFile(join(directory, 'comm'), 'python3\n');
  await writeFile(join(directory, 'czone'), '5\n');
  const entries = async (path: string, values: readonly (readonly [number, bigint])[]) => {
    const file = await open(path, 'w');
    for (const [index, value] of values) {
      const entry = Buffer.alloc(8);
      entry.writeBigUInt64LE(value);
      await file.write(entry, 0, 8, index * 8);
    }
    await file.close();
  };
  await entries(
    join(directory, 'pagemap'),
    options.pages.map((page, index) => [0x400 + index, page] as const),
  );
  const flags = Object.entries(options.flags ?? {});
  await entries(
    join(root, 'kpageflags'),
    flags.map(([frame, value]) => [Number(frame), value] as const),
  );
  return root;
}

const anonymous = (frame: number) => PRESENT | BigInt(frame);

t.test('pages are counted by kind, and by where they lie', async (t) => {
  const root = await proc(t, {
    maps:
      '00400000-00406000 rw-p 00000000 00:00 0 \n' +
      '00406000-00408000 r-xp 00000000 00:10 12 /usr/bin/python3\n',
    pages: [
      anonymous(ZONE_FRAME),
      anonymous(ZONE_FRAME + 15),
      anonymous(ZONE_FRAME + 16),
      0n,
      anonymous(3000),
      anonymous(3001),
      anonymous(4000) | FILE_OR_SHARED,
      anonymous(ZONE_FRAME + 1) | FILE_OR_SHARED,
    ],
    flags: { 3000: ZERO_PAGE, 3001: 1n },
  });
  t.match(await readPlacement(root, 7, ZONE), {
    pid: 7,
    name: 'python3',
    zoneId: 5,
    // Behind the end of the flags: a page like others.
    anonymous: { inZone: 2, outside: 2 },
    text: { inZone: 1, outside: 1 },
    textFrames: [4000, ZONE_FRAME + 1],
    truncated: false,
  });
});

t.test('thousands of pages elsewhere, with zero pages between them', async (t) => {
  const frames = Array.from({ length: 4000 }, (_, index) => 100_000 + index * 7);
  const zeros = frames.filter((_, index) => index % 10 === 0);
  const root = await proc(t, {
    maps: '00400000-013a0000 rw-p 00000000 00:00 0 \n',
    pages: frames.map(anonymous),
    flags: Object.fromEntries(zeros.map((frame) => [frame, ZERO_PAGE])),
  });
  const { anonymous: counted } = await readPlacement(root, 7, ZONE);
  t.same(counted, { inZone: 0, outside: 3600 });
});

t.test('what is far apart is found too, and what was seen before', async (t) => {
  const far = Array.from({ length: 600 }, (_, index) => index * 512 + 3);
  const frames = [...far, ...far.slice(0, 300)];
  const root = await proc(t, {
    maps: '00400000-00784000 rw-p 00000000 00:00 0 \n',
    pages: frames.map(anonymous),
    flags: Object.fromEntries(far.map((frame) => [frame, ZERO_PAGE])),
  });
  const { anonymous: counted } = await readPlacement(root, 7, ZONE);
  t.same(counted, { inZone: 0, outside: 0 });
});
