// SPDX-License-Identifier: Apache-2.0
// Writes an OCI image layout of one layer, tagged `latest`.
//
//   node oci-layout.mjs FUNCTION_JSON LAYER_TAR OUTDIR
//
// The layer is stored as it is: the host unpacks it once, right after.

import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const COMMANDS = {
  python: ['/usr/bin/python3', '/app/serve.py'],
  // Small heaps: a function's zone is small. --expose-gc serves /_test/free.
  node: [
    '/usr/bin/node',
    '--max-semi-space-size=1',
    '--optimize-for-size',
    '--expose-gc',
    '/app/main.mjs',
  ],
};
/** How the function becomes a zygote (docs/zygote.md), or why it does not. */
const ZYGOTES = {
  python: {
    'io.czone.zygote.command': JSON.stringify(['/usr/bin/python3', '/app/zygote.py']),
  },
  node: {
    'io.czone.zygote.unsupported': 'Node.js runs threads from its start, and a fork copies one',
  },
};
const ENVIRONMENTS = {
  // Compiled at the build; written at run time it would cost the container memory.
  python: ['PYTHONDONTWRITEBYTECODE=1', 'PYTHONUNBUFFERED=1', 'PYTHONNOUSERSITE=1'],
  // A block that is freed goes back at once, however large the blocks before it were.
  node: ['NODE_ENV=production', 'MALLOC_MMAP_THRESHOLD_=131072'],
};
/** Debian's nobody and nogroup. */
const USER = '65534:65534';

const [descriptionFile, layerTar, outputDirectory] = process.argv.slice(2);
if (outputDirectory === undefined) {
  console.error('usage: node oci-layout.mjs FUNCTION_JSON LAYER_TAR OUTDIR');
  process.exit(2);
}
const description = JSON.parse(readFileSync(descriptionFile, 'utf8'));
const blobs = join(outputDirectory, 'blobs', 'sha256');
mkdirSync(blobs, { recursive: true });

function addJsonBlob(mediaType, value) {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, digest), bytes);
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
}

async function addLayer(file) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  const digest = hash.digest('hex');
  const size = statSync(file).size;
  renameSync(file, join(blobs, digest));
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${digest}`, size };
}

const layer = await addLayer(layerTar);
const config = addJsonBlob('application/vnd.oci.image.config.v1+json', {
  created: '1970-01-01T00:00:00Z',
  architecture: 'amd64',
  os: 'linux',
  config: {
    User: USER,
    ExposedPorts: { [`${description.port}/tcp`]: {} },
    Env: [
      'PATH=/usr/local/bin:/usr/bin:/bin',
      'LANG=C.UTF-8',
      'MALLOC_ARENA_MAX=1',
      `PORT=${description.port}`,
      ...ENVIRONMENTS[description.runtime],
    ],
    Cmd: COMMANDS[description.runtime],
    WorkingDir: '/app',
    Labels: {
      'org.opencontainers.image.title': description.name,
      'org.opencontainers.image.description': description.description,
      ...ZYGOTES[description.runtime],
    },
  },
  rootfs: { type: 'layers', diff_ids: [layer.digest] },
  history: [{ created: '1970-01-01T00:00:00Z', created_by: 'vm-images/function.sh' }],
});
const manifest = addJsonBlob('application/vnd.oci.image.manifest.v1+json', {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config,
  layers: [layer],
});
writeFileSync(join(outputDirectory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
writeFileSync(
  join(outputDirectory, 'index.json'),
  JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'latest' } }],
  }),
);
