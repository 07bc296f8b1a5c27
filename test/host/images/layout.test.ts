// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ImageStore } from '../../../src/host/images/image-store.js';
import { checkLayout } from '../../../src/host/images/layout.js';
import { ReadFiles } from '../../../src/host/images/read-files.js';

interface Layout {
  readonly path: string;
  readonly layer: string;
  readonly manifest: string;
}

const TAR = 'application/vnd.oci.image.layer.v1.tar';

async function makeLayout(
  t: Test,
  options: { os?: string; user?: string; tags?: readonly string[] } = {},
): Promise<Layout> {
  const path = await fs.mkdtemp(join(tmpdir(), 'czone-layout-'));
  t.teardown(() => fs.rm(path, { recursive: true, force: true }));
  await fs.mkdir(join(path, 'blobs', 'sha256'), { recursive: true });
  const write = async (data: string | Buffer, mediaType: string) => {
    const hex = createHash('sha256').update(data).digest('hex');
    await fs.writeFile(join(path, 'blobs', 'sha256', hex), data);
    return { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(data) };
  };
  const tree = join(path, 'tree');
  await fs.mkdir(join(tree, 'bin'), { recursive: true });
  await fs.writeFile(join(tree, 'bin', 'hello'), '#!/bin/sh\n', { mode: 0o755 });
  await fs.writeFile(join(tree, 'gone'), 'removed by the second layer');
  const first = execFileSync('tar', ['-C', tree, '-c', '.']);
  await fs.rm(tree, { recursive: true });
  await fs.mkdir(tree);
  await fs.writeFile(join(tree, '.wh.gone'), '');
  await fs.writeFile(join(tree, 'added'), 'by the second layer');
  const second = execFileSync('tar', ['-C', tree, '-c', '.wh.gone', 'added']);
  await fs.rm(tree, { recursive: true });
  const layers = [await write(first, TAR), await write(second, TAR)];
  const diffIds = layers.map(({ digest }) => digest);
  const image = {
    architecture: 'amd64',
    os: options.os ?? 'linux',
    config: {
      User: options.user ?? '1000:1000',
      Env: ['A=b=c', 'EMPTY='],
      Entrypoint: ['/bin/hello'],
      Cmd: ['world'],
    },
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  const config = await write(JSON.stringify(image), 'application/vnd.oci.image.config.v1+json');
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config, layers });
  const manifest = await write(text, mediaType);
  const manifests = (options.tags ?? ['latest']).map((tag) => ({
    ...manifest,
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }));
  await fs.writeFile(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  const blob = (digest: string) => join(path, 'blobs', 'sha256', digest.slice(7));
  return { path, layer: blob(diffIds[0] ?? ''), manifest: blob(manifest.digest) };
}

const check = (path: string, verified = new Map<string, string>()) =>
  checkLayout(path, verified, new ReadFiles());

t.test('a good layout is read', async (t) => {
  const { path } = await makeLayout(t);
  t.match(await check(path), {
    command: ['/bin/hello', 'world'],
    environment: [
      ['A', 'b=c'],
      ['EMPTY', ''],
    ],
    workingDirectory: '/',
    uid: 1000,
    gid: 1000,
  });
});

t.test('a changed layer is found, also when it was right before', async (t) => {
  const { path, layer } = await makeLayout(t);
  const verified = new Map<string, string>();
  await check(path, verified);
  const data = await fs.readFile(layer);
  data[600] = (data[600] ?? 0) ^ 1;
  await fs.writeFile(layer, data);
  await t.rejects(check(path, verified), {
    code: 'FAILED_PRECONDITION',
    message: /is corrupt: blob sha256:[0-9a-f]{64} has digest sha256:.*rebuild/,
  });
});

t.test('what is missing, cut or replaced is found', async (t) => {
  const cut = await makeLayout(t);
  await fs.truncate(cut.layer, 100);
  await t.rejects(check(cut.path), { message: /has 100 bytes instead of/ });
  const missing = await makeLayout(t);
  await fs.rm(missing.layer);
  await t.rejects(check(missing.path), { message: /is missing/ });
  const replaced = await makeLayout(t);
  const size = (await fs.stat(replaced.manifest)).size;
  await fs.writeFile(replaced.manifest, '{}'.padEnd(size));
  await t.rejects(check(replaced.path), { message: /is corrupt: blob .* has digest/ });
  const index = await makeLayout(t);
  await fs.writeFile(join(index.path, 'index.json'), '{"schemaVersion":2,"manifests":{}}');
  await t.rejects(check(index.path), { message: /index.json: manifests/ });
});

t.test('a digest can not lead out of the layout', async (t) => {
  const { path } = await makeLayout(t);
  const index = await fs.readFile(join(path, 'index.json'), 'utf8');
  await fs.writeFile(
    join(path, 'index.json'),
    index.replace(/sha256:[0-9a-f]{64}/, 'sha256:../../../../etc/passwd'),
  );
  await t.rejects(check(path), { code: 'FAILED_PRECONDITION', message: /digest/ });
});

t.test('what is not for us is refused', async (t) => {
  await t.rejects(check('/no/such/image'), { code: 'NOT_FOUND' });
  const empty = await fs.mkdtemp(join(tmpdir(), 'czone-empty-'));
  t.teardown(() => fs.rm(empty, { recursive: true }));
  await t.rejects(check(empty), { code: 'FAILED_PRECONDITION', message: /not an OCI layout/ });
  const windows = await makeLayout(t, { os: 'windows' });
  await t.rejects(check(windows.path), { message: /windows/ });
  const named = await makeLayout(t, { user: 'www-data' });
  await t.rejects(check(named.path), { message: /www-data/ });
  const two = await makeLayout(t, { tags: ['one', 'two'] });
  await t.rejects(check(two.path), { message: /none is tagged latest/ });
});

t.test('layers become one erofs file, once', async (t) => {
  const { path } = await makeLayout(t);
  const cache = await fs.mkdtemp(join(tmpdir(), 'czone-cache-'));
  t.teardown(() => fs.rm(cache, { recursive: true, force: true }));
  const store = new ImageStore(cache);
  const [one, two] = await Promise.all([store.prepare(path), store.prepare(path)]);
  t.equal(one.disk.path, two.disk.path);
  t.same(await fs.readdir(join(cache, 'erofs')), [`${one.disk.digest.slice(7)}.erofs`]);
  const list = execFileSync('dump.erofs', ['--ls', '--path=/', one.disk.path], {
    encoding: 'utf8',
  });
  t.match(list, /added/);
  t.match(list, /bin/);
  t.notMatch(list, /gone/, 'white-outs are carried out');
});

t.test('what a store has read is read again once it has changed', async (t) => {
  const { path } = await makeLayout(t);
  const other = await makeLayout(t, { user: '7:7' });
  const cache = await fs.mkdtemp(join(tmpdir(), 'czone-cache-'));
  t.teardown(() => fs.rm(cache, { recursive: true, force: true }));
  // Nothing is remembered of files that are newer than this.
  await sleep(150);
  const store = new ImageStore(cache);
  const first = await store.prepare(path);
  t.match(await store.prepare(path), first);
  await fs.cp(join(other.path, 'blobs'), join(path, 'blobs'), { recursive: true });
  await fs.cp(join(other.path, 'index.json'), join(path, 'index.json'));
  const second = await store.prepare(path);
  t.equal(second.uid, 7, 'the tag points to another image');
  t.not(second.disk.path, first.disk.path);
  await fs.rm(second.disk.path);
  await store.prepare(path);
  await t.resolves(fs.access(second.disk.path), 'a lost erofs file is made again');
  await sleep(150);
  await store.prepare(path);
  await fs.appendFile(join(path, 'blobs', 'sha256', basename(other.layer)), 'x');
  await t.rejects(store.prepare(path), {
    code: 'FAILED_PRECONDITION',
    message: /bytes instead of/,
  });
});

t.test('files count as unchanged only when they surely are', async (t) => {
  const directory = await fs.mkdtemp(join(tmpdir(), 'czone-read-'));
  t.teardown(() => fs.rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'file');
  const fresh = async () => {
    const files = new ReadFiles();
    await files.stat(file);
    return files;
  };
  t.notOk(await (await fresh()).unchanged(), 'missing');
  await fs.writeFile(file, 'one');
  t.notOk(await (await fresh()).unchanged(), 'just written: it may be written again unseen');
  await sleep(150);
  const kept = await fresh();
  t.ok(await kept.unchanged());
  await fs.writeFile(file, 'two');
  t.notOk(await kept.unchanged(), 'written in place, as long as before');
  await sleep(150);
  const again = await fresh();
  await fs.copyFile(file, `${file}.new`);
  await fs.rename(`${file}.new`, file);
  t.notOk(await again.unchanged(), 'replaced');
  await sleep(150);
  const last = await fresh();
  await fs.rm(file);
  t.notOk(await last.unchanged(), 'removed');
});

t.test('leftovers of dead builders go, those of living ones stay', async (t) => {
  const cache = await fs.mkdtemp(join(tmpdir(), 'czone-cache-'));
  t.teardown(() => fs.rm(cache, { recursive: true, force: true }));
  const living = `x.erofs.tmp-${process.pid}-AbC123`;
  await fs.mkdir(join(cache, 'erofs', `x.erofs.tmp-${2 ** 22 - 1}-AbC123`), { recursive: true });
  await fs.mkdir(join(cache, 'erofs', living));
  await new ImageStore(cache).removeLeftovers();
  t.same(await fs.readdir(join(cache, 'erofs')), [living]);
  await fs.writeFile(join(cache, 'erofs', 'y.erofs'), '');
  await new ImageStore(cache).removeLeftovers();
  t.ok((await fs.readdir(join(cache, 'erofs'))).includes('y.erofs'), 'a new image stays');
  await new ImageStore(cache).removeLeftovers(Date.now() + 31 * 24 * 60 * 60_000);
  t.same(await fs.readdir(join(cache, 'erofs')), [living], 'an old one goes');
});
