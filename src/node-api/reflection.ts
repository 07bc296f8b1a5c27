// SPDX-License-Identifier: Apache-2.0
// gRPC server reflection, from the proto files of this checkout.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromJSON, loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { CzoneError } from '../protocol/errors.js';

type Schema = Parameters<typeof fromJSON>[0];

const FILES = ['containers', 'memory', 'node', 'sandboxes'];

const HEALTH_METHOD = {
  requestType: 'HealthCheckRequest',
  responseType: 'HealthCheckResponse',
  comment: '',
};

/**
 * grpc/health/v1/health.proto without its List: that has a map, and the reflection
 * server writes maps in a way that clients refuse.
 */
const HEALTH_V1: NonNullable<Schema['nested']> = {
  HealthCheckRequest: { fields: { service: { type: 'string', id: 1 } } },
  HealthCheckResponse: {
    fields: { status: { type: 'ServingStatus', id: 1 } },
    nested: {
      ServingStatus: { values: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } },
    },
  },
  Health: {
    methods: {
      Check: { ...HEALTH_METHOD },
      Watch: { ...HEALTH_METHOD, responseStream: true },
    },
  },
};
const HEALTH: Schema = {
  nested: { grpc: { nested: { health: { nested: { v1: { nested: HEALTH_V1 } } } } } },
};

export function reflectionService(): ReflectionService {
  const root = protoRoot();
  const files = FILES.map((name) => join(root, 'czone', 'node', 'v1', `${name}.proto`));
  return new ReflectionService({
    ...loadSync(files, { includeDirs: [root], keepCase: true }),
    ...fromJSON(HEALTH),
  });
}

/** The folder of the proto files: the same whether this file runs compiled or not. */
function protoRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) {
    const root = join(folder, 'src', 'protocol', 'proto');
    if (existsSync(join(root, 'czone', 'node', 'v1'))) return root;
  }
  throw new CzoneError('INTERNAL', `no proto files are above ${here}; the checkout is incomplete`);
}
