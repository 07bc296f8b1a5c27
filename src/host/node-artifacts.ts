// SPDX-License-Identifier: Apache-2.0
// What a node runs its VMs with.
import type { FunctionId } from '../protocol/ids.js';

export interface CatalogueFunction {
  readonly functionId: FunctionId;
  readonly description: string;
  readonly defaultMemoryBytes: number;
}

/** Each path rejects with FAILED_PRECONDITION when the artifact was not built. */
export interface NodeArtifacts {
  readonly kernelPath: () => Promise<string>;
  readonly rootfsPath: () => Promise<string>;
  readonly vmmPath: () => Promise<string>;
  readonly functions: () => Promise<readonly CatalogueFunction[]>;
  /** The OCI layout of a function of the catalogue. */
  readonly layoutPath: (functionId: FunctionId) => Promise<string>;
}
