// SPDX-License-Identifier: Apache-2.0
// Reads an OCI image layout: index, manifest and configuration, each blob checked
// against its digest (OCI image specification 1.1).
import fs from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { CzoneError } from '../../protocol/errors.js';
import { LIMITS } from '../limits.js';
import type { ZygoteSupport } from '../zygotes/policy.js';
import { BlobStore, type Descriptor } from './blobs.js';
import { corrupt, unusable } from './image-error.js';
import type { ReadFiles } from './read-files.js';

const descriptor = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number().int().min(0),
  annotations: z.record(z.string(), z.string()).nullish(),
  platform: z.object({ architecture: z.string(), os: z.string() }).nullish(),
});
const index = z.object({
  schemaVersion: z.literal(2),
  manifests: z.array(descriptor).max(1000),
});
const manifest = z.object({
  schemaVersion: z.literal(2),
  config: descriptor,
  layers: z.array(descriptor).min(1).max(LIMITS.imageLayers),
});
const stringList = z.array(z.string()).nullish();
const configuration = z.object({
  architecture: z.string(),
  os: z.string(),
  config: z
    .object({
      User: z.string().nullish(),
      Env: stringList,
      Entrypoint: stringList,
      Cmd: stringList,
      WorkingDir: z.string().nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
});

const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const REF_NAME = 'org.opencontainers.image.ref.name';
const TAG = 'latest';
const NESTED = 3;
/** The command that makes a zygote of the image, as JSON; or why there is none. */
const ZYGOTE_COMMAND = 'io.czone.zygote.command';
const ZYGOTE_UNSUPPORTED = 'io.czone.zygote.unsupported';
const zygoteCommand = z.array(z.string().min(1)).min(1).max(64);
const REASON_MAX_LENGTH = 200;

export interface CheckedImage {
  readonly layoutPath: string;
  /** The manifest's. */
  readonly manifest: Descriptor;
  readonly layers: readonly Descriptor[];
  /** Entry point and command. */
  readonly command: readonly string[];
  readonly environment: readonly (readonly [name: string, value: string])[];
  readonly workingDirectory: string;
  readonly uid: number;
  readonly gid: number;
  readonly zygote: ZygoteSupport;
}

/**
 * NOT_FOUND: no such directory. FAILED_PRECONDITION: not a layout, corrupt, or not for us.
 * While `files` are unchanged, so is the answer.
 */
export async function checkLayout(
  layoutPath: string,
  verified: Map<string, string>,
  files: ReadFiles,
): Promise<CheckedImage> {
  const stat = await fs.stat(layoutPath).catch(() => null);
  if (stat === null) throw new CzoneError('NOT_FOUND', `there is no image at ${layoutPath}`);
  const text = await readIndex(layoutPath, files);
  const blobs = new BlobStore(layoutPath, verified, files);
  const parse = <T>(schema: z.ZodType<T>, json: unknown, what: string): T => {
    const read = schema.safeParse(json);
    if (read.success) return read.data;
    const issue = read.error.issues[0];
    throw corrupt(layoutPath, `${what}: ${issue?.path.join('.')}: ${issue?.message}`);
  };
  let entries = parse(index, text, 'index.json').manifests;
  let found = choose(layoutPath, entries);
  for (let depth = 0; found.mediaType === INDEX_TYPE; depth += 1) {
    if (depth === NESTED) throw corrupt(layoutPath, 'its indexes are nested too deeply');
    const json = await blobs.readJson(found, LIMITS.imageManifestBytes);
    entries = parse(index, json, `index ${found.digest}`).manifests;
    found = choose(layoutPath, entries);
  }
  const json = await blobs.readJson(found, LIMITS.imageManifestBytes);
  const { config, layers } = parse(manifest, json, `manifest ${found.digest}`);
  const total = layers.reduce((sum, layer) => sum + layer.size, 0);
  if (total > LIMITS.imageBytes) {
    throw unusable(layoutPath, `its layers have ${total} bytes, at most ${LIMITS.imageBytes} fit`);
  }
  const configJson = await blobs.readJson(config, LIMITS.imageManifestBytes);
  const image = parse(configuration, configJson, `configuration ${config.digest}`);
  if (image.os !== 'linux' || image.architecture !== 'amd64') {
    throw unusable(layoutPath, `it is for ${image.os}/${image.architecture}, not linux/amd64`);
  }
  for (const layer of layers) await blobs.verify(layer);
  const run = image.config ?? {};
  const { uid, gid } = parseUser(layoutPath, run.User ?? '');
  return {
    layoutPath,
    manifest: found,
    layers,
    command: [...(run.Entrypoint ?? []), ...(run.Cmd ?? [])],
    environment: (run.Env ?? []).map(splitVariable),
    workingDirectory: run.WorkingDir || '/',
    uid,
    gid,
    zygote: readZygote(run.Labels ?? {}),
  };
}

async function readIndex(layoutPath: string, files: ReadFiles): Promise<unknown> {
  const file = path.join(layoutPath, 'index.json');
  const stat = await files.stat(file);
  if (stat === null) {
    throw unusable(layoutPath, 'it is not an OCI layout (it holds no index.json)');
  }
  if (stat.size > LIMITS.imageManifestBytes) throw corrupt(layoutPath, 'index.json is too large');
  try {
    return JSON.parse(await fs.readFile(file, 'utf8'));
  } catch (error) {
    throw corrupt(layoutPath, 'index.json is not JSON', error);
  }
}

type Entry = z.output<typeof descriptor>;

/** The one tagged `latest`, else the one for this platform, else the only one. */
function choose(layoutPath: string, entries: readonly Entry[]): Entry {
  const tagged = entries.filter((entry) => entry.annotations?.[REF_NAME] === TAG);
  const candidates = tagged.length > 0 ? tagged : entries;
  const fitting = candidates.filter(
    ({ platform }) =>
      platform == null || (platform.os === 'linux' && platform.architecture === 'amd64'),
  );
  const [first, second] = fitting;
  if (first === undefined) throw unusable(layoutPath, 'it holds no image for linux/amd64');
  if (second !== undefined) {
    throw unusable(layoutPath, `it holds ${fitting.length} images and none is tagged ${TAG}`);
  }
  return first;
}

function splitVariable(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** A label that makes no sense is no reason to refuse an image that runs without it. */
function readZygote(labels: Readonly<Record<string, string>>): ZygoteSupport {
  const text = labels[ZYGOTE_COMMAND];
  if (text === undefined) {
    const reason = labels[ZYGOTE_UNSUPPORTED]?.slice(0, REASON_MAX_LENGTH);
    return { kind: 'none', reason: reason || 'its image names no command for a zygote' };
  }
  try {
    return { kind: 'command', command: zygoteCommand.parse(JSON.parse(text)) };
  } catch {
    return { kind: 'none', reason: `its image's label ${ZYGOTE_COMMAND} is no list of texts` };
  }
}

/** Names would have to be looked up in the image; only numbers are taken. */
function parseUser(layoutPath: string, user: string): { uid: number; gid: number } {
  if (user === '' || user === 'root' || user === 'root:root') return { uid: 0, gid: 0 };
  const match = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(user);
  if (match === null) {
    throw unusable(layoutPath, `its user '${user}' is not given as numbers (uid:gid)`);
  }
  return { uid: Number(match[1]), gid: Number(match[2] ?? 0) };
}
